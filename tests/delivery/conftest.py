import pytest

from campaigns import small_shop
from campaigns.small_shop import SmallShop
from rapport.settings import Settings


@pytest.fixture
def shop(warehouse_url: str, settings: Settings) -> SmallShop:
    """A small shop that may send a weekly letter to its active customers."""
    shop = small_shop.build(warehouse_url, settings)
    shop.write("campaigns/weekly.yml", small_shop.WEEKLY)
    return shop
