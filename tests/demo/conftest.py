"""One small shop for all tests."""

import pytest
from written_shop import WrittenShop

from rapport.demo.shop import write_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> WrittenShop:
    """Six hundred customers, seed 3."""
    folder = tmp_path_factory.mktemp("shop") / "landing"
    return WrittenShop(folder, write_shop(folder, seed=3, customers=600))
