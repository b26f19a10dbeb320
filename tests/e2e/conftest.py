"""An installation for each module of these tests."""

from collections.abc import Iterator

import pytest
from installation import Installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A home with nothing in it; its server is stopped at the end."""
    found = Installation(tmp_path_factory.mktemp("rapport") / "home")
    yield found
    found.stop()
