"""The tie rule, with a stack of purchases for each customer and product."""

from collections import defaultdict
from typing import NamedTuple

import pandas as pd


class Piece(NamedTuple):
    """A part of a return: what it takes off an order, or of none (`order_id` None); amount in thousandths."""

    customer: str
    order_id: str | None
    at: pd.Timestamp
    amount: int


def pieces(lines: pd.DataFrame) -> list[Piece]:
    """Every return of a known customer, in pieces; ≤ 0 for a positive price.

    A return takes back units of the latest earlier purchase of its product by its customer, then of the one
    before it; what finds none stays untied. Lines of one minute count in the order of invoice and file.
    """
    history: dict[tuple[str, str], list[tuple]] = defaultdict(list)
    for number, line in enumerate(lines.itertuples(index=False)):
        if line.customer:
            # A return before a purchase of the same minute: a purchase must be earlier to be taken back.
            key = (line.at, line.quantity > 0, line.order_id, number)
            history[line.customer, line.product_id].append((key, line))

    found: list[Piece] = []
    for moves in history.values():
        purchases: list[list] = []  # [order_id, units left], the latest last
        for _, line in sorted(moves, key=lambda move: move[0]):
            if line.quantity > 0:
                purchases.append([line.order_id, line.quantity])
                continue
            units = -line.quantity
            while units and purchases:
                order_id, left = purchases[-1]
                taken = min(units, left)
                found.append(Piece(line.customer, order_id, line.at, -taken * line.price))
                units -= taken
                purchases[-1][1] -= taken
                if not purchases[-1][1]:
                    purchases.pop()
            if units:
                found.append(Piece(line.customer, None, line.at, -units * line.price))
    return found


def tied_amounts(lines: pd.DataFrame) -> dict[str, int]:
    """The amount (thousandths) of the returns tied to each order that has any."""
    tied: dict[str, int] = defaultdict(int)
    for piece in pieces(lines):
        if piece.order_id is not None:
            tied[piece.order_id] += piece.amount
    return dict(tied)
