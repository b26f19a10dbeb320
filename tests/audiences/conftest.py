import pytest

from audiences.hand_made_segments import Shop


@pytest.fixture
def shop(warehouse_url: str) -> Shop:
    """A warehouse whose segment views are made by hand."""
    return Shop(warehouse_url)
