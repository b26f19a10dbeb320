"""The tie rule, with a stack of purchases for each customer and product."""

from collections import defaultdict

import pandas as pd


def tied_amounts(lines: pd.DataFrame) -> dict[str, int]:
    """The amount (thousandths, ≤ 0 for a positive price) of the returns tied to each order that has any.

    A return takes back units of the latest earlier purchase of its product by its customer, then of the one
    before it; what finds none stays untied. Lines of one minute count in the order of invoice and file.
    """
    history: dict[tuple[str, str], list[tuple]] = defaultdict(list)
    for number, line in enumerate(lines.itertuples(index=False)):
        if line.customer:
            # A return before a purchase of the same minute: a purchase must be earlier to be taken back.
            key = (line.at, line.quantity > 0, line.order_id, number)
            history[line.customer, line.product_id].append((key, line))

    tied: dict[str, int] = defaultdict(int)
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
                tied[order_id] -= taken * line.price
                units -= taken
                purchases[-1][1] -= taken
                if not purchases[-1][1]:
                    purchases.pop()
    return dict(tied)
