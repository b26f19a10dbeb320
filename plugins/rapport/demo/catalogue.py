"""What the shop sells: eighty products in eight categories, with prices in euro cents."""

from dataclasses import dataclass

import numpy as np

from rapport.demo.chance import Numbers, Texts

# Category, prefix of its article numbers, share of all purchases, best months, products with prices.
_SHELVES: tuple[tuple[str, str, float, tuple[int, ...], str], ...] = (
    (
        "Coffee beans", "BEA", 0.24, (11, 12, 1),
        "Morning Blend 500 g=9.90|Ethiopia Sidamo 250 g=8.50|Colombia Huila 250 g=8.20|"
        "Brazil Santos 1 kg=17.90|Espresso Forte 1 kg=19.90|Decaf Peru 250 g=8.90|"
        "House Roast 250 g=6.90|Guatemala Antigua 250 g=9.20|"
        "Sumatra Mandheling 250 g=9.50|Advent Roast 250 g=10.90",
    ),
    (
        "Brewing", "BRW", 0.12, (11, 12),
        "Hand Grinder=49.00|Glass Coffee Maker 6 Cups=34.90|Pour-Over Dripper=18.50|Paper Filters 100=4.90|"
        "French Press 1 l=29.90|Moka Pot 3 Cups=26.90|Gooseneck Kettle=59.00|Milk Frother=24.90|"
        "Coffee Scale=39.90|Espresso Tamper=22.00",
    ),
    (
        "Cups and tableware", "CUP", 0.13, (11, 12),
        "Stoneware Mug=12.90|Espresso Cup Set of 4=27.90|Breakfast Plate=11.50|Cereal Bowl=9.90|"
        "Glass Carafe=21.90|Linen Napkins Set of 4=19.90|Serving Board Oak=32.00|Teapot Cast Iron=54.90|"
        "Milk Jug=14.50|Cake Stand=36.90",
    ),
    (
        "Garden tools", "TLS", 0.10, (3, 4, 5),
        "Hand Trowel=11.90|Pruning Shears=24.90|Garden Fork=32.90|Leather Gloves=16.50|"
        "Watering Can 10 l=22.90|Hose 20 m=38.90|Dibber=9.50|Folding Saw=27.50|Leaf Rake=21.90|"
        "Tool Belt=29.90",
    ),
    (
        "Seeds and bulbs", "SED", 0.16, (2, 3, 4, 9, 10),
        "Tomato Heirloom Mix=3.90|Wildflower Meadow 100 g=7.90|Tulip Bulbs 25=9.90|Basil Genovese=2.90|"
        "Sweet Pea=3.20|Lavender Seeds=3.50|Radish Mix=2.50|Sunflower Giant=2.90|Daffodil Bulbs 20=8.90|"
        "Herb Garden Kit=18.90",
    ),
    (
        "Pots and planters", "POT", 0.10, (3, 4, 5, 6),
        "Terracotta Pot 20 cm=8.90|Terracotta Pot 30 cm=15.90|Balcony Box 80 cm=19.90|Zinc Planter=34.90|"
        "Hanging Basket=17.50|Saucer 20 cm=3.90|Raised Bed Larch=129.00|Seed Tray=6.50|"
        "Glazed Pot Blue=24.90|Plant Stand=44.90",
    ),
    (
        "Outdoor living", "OUT", 0.07, (5, 6, 7),
        "Bistro Chair=59.00|Bistro Table=89.00|Lantern=26.90|Outdoor Cushion=24.90|Fire Bowl=149.00|"
        "Parasol 2 m=79.00|Hammock=64.90|String Lights=29.90|Picnic Blanket=39.90|Bird House=22.50",
    ),
    (
        "Home textiles", "TEX", 0.08, (10, 11, 12),
        "Wool Throw=69.00|Linen Cushion=29.90|Tea Towel Set=14.90|Bath Towel=24.90|Tablecloth Linen=54.90|"
        "Door Mat=27.90|Curtain Linen=74.90|Oven Gloves=16.90|Apron=24.50|Beeswax Candles=18.90",
    ),
)  # fmt: skip

FRAGILE = ("Cups and tableware", "Pots and planters")
CONSUMED = ("Coffee beans", "Seeds and bulbs")


@dataclass(frozen=True)
class Catalogue:
    """Products in the order of their category; `category` indexes `categories`, `price` is in cents.

    `best_months` (months, categories) is how much better a category sells, January first.
    """

    categories: tuple[str, ...]
    shares: np.ndarray
    best_months: np.ndarray
    sku: Texts
    name: Texts
    category: Numbers
    price: Numbers

    @property
    def products_in_category(self) -> int:
        return len(self.sku) // len(self.categories)

    def is_of(self, product: Numbers, categories: tuple[str, ...]) -> np.ndarray:
        """Which of the products belong to one of the categories."""
        wanted = [self.categories.index(category) for category in categories]
        return np.isin(self.category[product], wanted)


def catalogue() -> Catalogue:
    """The shop's catalogue; the same for every seed."""
    skus, names, kinds, prices = [], [], [], []
    best_months = np.ones((12, len(_SHELVES)))
    for position, (_, prefix, _, months, products) in enumerate(_SHELVES):
        best_months[[month - 1 for month in months], position] = 2.2
        for number, product in enumerate(products.split("|")):
            name, price = product.split("=")
            skus.append(f"{prefix}-{number + 1:02d}")
            names.append(name)
            kinds.append(position)
            prices.append(round(float(price) * 100))
    return Catalogue(
        categories=tuple(shelf[0] for shelf in _SHELVES),
        shares=np.array([shelf[2] for shelf in _SHELVES]),
        best_months=best_months,
        sku=np.array(skus, dtype=object),
        name=np.array(names, dtype=object),
        category=np.array(kinds, dtype=np.int64),
        price=np.array(prices, dtype=np.int64),
    )
