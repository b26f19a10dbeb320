"""Products, pairs of products and cohorts of the real shop, counted without Rapport and without SQL."""

from collections import Counter
from decimal import Decimal
from itertools import combinations

import pandas as pd
from independent_count import pounds
from tied_returns import pieces


def products(lines: pd.DataFrame) -> pd.DataFrame:
    """One row per product sold: line_count, quantity, gross, customers, returned_quantity, returned."""
    bought = lines["quantity"] > 0
    sold = lines[bought].groupby("product_id")
    frame = pd.DataFrame(
        {
            "line_count": sold.size(),
            "quantity": sold["quantity"].sum(),
            "gross": sold["amount"].sum().map(pounds),
        }
    )
    known = lines[bought & (lines["customer"] != "")]
    back = lines[~bought].groupby("product_id")
    frame["customer_count"] = known.groupby("product_id")["customer"].nunique()
    frame["returned_quantity"] = -back["quantity"].sum()
    frame["returned"] = back["amount"].sum().map(pounds)
    zeros = {"customer_count": 0, "returned_quantity": 0, "returned": Decimal(0)}
    return frame.fillna(zeros).astype("object")


def affinity(
    lines: pd.DataFrame, since: pd.Timestamp, *, min_orders: int, min_support: str, max_products: int
) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """By pair of products: orders with both, with the first, with the second, and all that count."""
    bought = lines[lines["quantity"] > 0]
    ordered_at = bought.groupby("order_id")["at"].min()
    recent = bought[bought["order_id"].isin(ordered_at[ordered_at >= since].index)]
    baskets = [
        sorted(basket)
        for basket in recent.groupby("order_id")["product_id"].unique()
        if len(basket) <= max_products
    ]
    single = Counter(product for basket in baskets for product in basket)
    least = max(Decimal(min_orders), Decimal(min_support) * len(baskets))
    frequent = {product for product, count in single.items() if count >= least}
    both = Counter(
        pair for basket in baskets for pair in combinations([one for one in basket if one in frequent], 2)
    )
    found = {}
    for (one, other), count in both.items():
        if count >= least:
            found[one, other] = (count, single[one], single[other], len(baskets))
            found[other, one] = (count, single[other], single[one], len(baskets))
    return found


def cohorts(lines: pd.DataFrame) -> dict[tuple[str, int], tuple[int, int, int, Decimal]]:
    """By month of first order and months since, where anybody did anything: size, active, orders, net."""
    bought = lines[(lines["quantity"] > 0) & (lines["customer"] != "")]
    orders = bought.groupby("order_id").agg(
        customer=("customer", "first"), at=("at", "min"), amount=("amount", "sum")
    )
    first = orders.groupby("customer")["at"].min()
    size = Counter(moment.strftime("%Y-%m") for moment in first)
    net: Counter = Counter()
    active: dict[tuple[str, int], set[str]] = {}
    count: Counter = Counter()
    for order in orders.itertuples():
        cell = _cell(first[order.customer], order.at)
        active.setdefault(cell, set()).add(order.customer)
        count[cell] += 1
        net[cell] += order.amount
    for piece in pieces(lines):
        if piece.customer in first.index:
            at = piece.at if piece.order_id is None else orders.at[piece.order_id, "at"]
            net[_cell(first[piece.customer], at)] += piece.amount
    return {
        cell: (size[cell[0]], len(active.get(cell, ())), count[cell], pounds(net[cell]))
        for cell in set(net) | set(active)
    }


def _cell(first: pd.Timestamp, at: pd.Timestamp) -> tuple[str, int]:
    return first.strftime("%Y-%m"), max(12 * (at.year - first.year) + at.month - first.month, 0)
