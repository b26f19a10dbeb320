"""Campaigns without an effect, or with a planted one, on the orders of a real shop's year.

A campaign draws a day, as many of the customers whom the shop knew by then as asked for (with replacement: a
larger shop like this one), deals them into two arms at random and looks at what they really did in the 14
days that followed, by the formulas that the results use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rapport.campaigns import lift
from rapport.campaigns.effects import MIN_BUYERS
from rapport.campaigns.lift import Interval

ORDERS = Path(__file__).resolve().parents[3] / "shared" / "data" / "real_shop" / "orders.csv.gz"
WINDOW_DAYS = 14
FIRST_DAY, LAST_DAY = 90, 355  # of the year's days; by the first the shop has a thousand customers


@dataclass(frozen=True)
class Shop:
    """`bought` and `revenue` by day and customer: orders placed and net revenue of that day, pounds.

    `known_from` is the day of a customer's first order.
    """

    bought: np.ndarray
    revenue: np.ndarray
    known_from: np.ndarray

    def window(self, day: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each customer known by a day: whether they ordered in the window, and its net revenue."""
        known = self.known_from < day
        days = slice(day, day + WINDOW_DAYS)
        return self.bought[days, known].any(axis=0), self.revenue[days, known].sum(axis=0)


@dataclass(frozen=True)
class Result:
    """What one campaign found. `revenue` is None with too few buyers; the truths are what was planted."""

    conversion: Interval
    revenue: Interval | None
    conversion_truth: float
    revenue_truth: float


def read_shop() -> Shop:
    """Orders and what came back, by day and customer; lines without a customer are nobody's."""
    lines = pd.read_csv(
        ORDERS,
        usecols=["InvoiceNo", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"],
        dtype={"InvoiceNo": "str"},
    ).dropna(subset=["CustomerID"])
    days = (pd.to_datetime(lines["InvoiceDate"]) - pd.Timestamp("2010-12-01")).dt.days.to_numpy()
    names, customers = np.unique(lines["CustomerID"], return_inverse=True)
    shape = (days.max() + 1, len(names))
    revenue, bought = np.zeros(shape), np.zeros(shape, dtype=bool)
    np.add.at(revenue, (days, customers), (lines["Quantity"] * lines["UnitPrice"]).to_numpy())
    is_order = lines["Quantity"].to_numpy() > 0
    bought[days[is_order], customers[is_order]] = True
    known_from = np.where(bought.any(axis=0), bought.argmax(axis=0), shape[0])
    return Shop(bought, revenue, known_from)


def campaigns(
    shop: Shop, count: int, *, seed: int, size: int, holdout: float = 0.1, planted: float = 0.0
) -> Iterator[Result]:
    """So many campaigns, each with its own day and people.

    A planted effect of 0.2 lets a fifth more of the treated order than would have: people who did not, who
    then bring what somebody who did has brought.
    """
    random = np.random.default_rng(seed)
    windows = {day: shop.window(day) for day in range(FIRST_DAY, LAST_DAY - WINDOW_DAYS)}
    for _ in range(count):
        converted, revenue = windows[int(random.integers(FIRST_DAY, LAST_DAY - WINDOW_DAYS))]
        base = converted.mean()
        people = random.integers(len(converted), size=size)
        is_held_out = random.permutation(size) < round(size * holdout)
        did, money = converted[people], revenue[people].copy()
        won = ~did & ~is_held_out & (random.random(size) < planted * base / (1 - base))
        money[won] += random.choice(revenue[converted], size=int(won.sum()))
        yield _result(did | won, money, is_held_out, planted * base, planted * _capped_mean(revenue, money))


def _result(
    did: np.ndarray,
    money: np.ndarray,
    is_held_out: np.ndarray,
    conversion_truth: float,
    revenue_truth: float,
) -> Result:
    treated, held_out = ~is_held_out, is_held_out
    conversion = lift.conversion_difference(
        did[treated].sum(), treated.sum(), did[held_out].sum(), held_out.sum()
    )
    capped = np.minimum(money, np.quantile(money, 0.99))
    revenue = None
    if min(did[treated].sum(), did[held_out].sum()) >= MIN_BUYERS:
        one, other = capped[treated], capped[held_out]
        revenue = lift.mean_difference(
            one.mean(), one.var(ddof=1), len(one), other.mean(), other.var(ddof=1), len(other)
        )
    return Result(conversion, revenue, conversion_truth, revenue_truth)


def _capped_mean(everybody: np.ndarray, money: np.ndarray) -> float:
    """What the shop's customers bring on average, where each counts at most as the campaign counts them."""
    return float(np.minimum(everybody, np.quantile(money, 0.99)).mean())
