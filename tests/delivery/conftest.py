from collections.abc import Iterator

import pytest

from campaigns import small_shop
from campaigns.small_shop import SmallShop
from delivery.live_shop import LiveShop
from rapport.delivery.fake_sendgrid import FakeSendGrid
from rapport.settings import Settings


@pytest.fixture
def shop(warehouse_url: str, settings: Settings) -> SmallShop:
    """A small shop that may send a weekly letter to its active customers."""
    shop = small_shop.build(warehouse_url, settings)
    shop.write("campaigns/weekly.yml", small_shop.WEEKLY)
    return shop


@pytest.fixture(scope="session")
def fake_process() -> Iterator[FakeSendGrid]:
    with FakeSendGrid() as fake:
        yield fake


@pytest.fixture
def live(warehouse_url: str, settings: Settings, fake_process: FakeSendGrid) -> LiveShop:
    """The shop of today, with a fake SendGrid that has forgotten what was before.

    It has no letter yet: one of a fixed hour would be due whenever the tests run within that hour.
    """
    fake_process.clear()
    live = LiveShop(small_shop.build(warehouse_url, settings), fake_process)
    live.configure()
    return live
