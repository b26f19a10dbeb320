"""The generated shop's sales, counted in Python from the rows that were loaded: no SQL but `select *`."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pandas as pd
import psycopg

ZERO = Decimal(0)


class Sales:
    """Orders, returns, customers, products and cohorts as of a moment; all amounts are Decimal, in euros."""

    def __init__(self, url: str, as_of: datetime) -> None:
        self.as_of = as_of
        self._owners = {
            (row.kind, row.source, row.value): row.customer_id
            for row in _rows(url, "identity.identifiers").itertuples()
        }
        self._headers = self._newest(
            _rows(url, "raw.orders"), "ordered_at", ["source", "order_id"], "updated_at"
        )
        lines = _rows(url, "raw.order_lines")
        self._lines = self._newest(lines, "ordered_at", ["source", "order_id", "line_id"])
        self._refunds = self._newest(_rows(url, "raw.refunds"), "refunded_at", ["source", "refund_id"])
        self.orders = self._count_orders()
        self.returns = self._count_returns()
        for piece in self.returns:
            if piece["tied_order_id"]:
                self.orders[piece["tied_order_id"]]["net"] += piece["amount"]
        self.customers = self._count_customers()

    def _newest(
        self, rows: pd.DataFrame, time: str, key: list[str], version: str | None = None
    ) -> pd.DataFrame:
        seen = rows[rows[time] < self.as_of]
        if version:
            seen = seen[seen[version].fillna(seen[time]) < self.as_of]
        order = [*([version] if version else []), "batch_id", "line_number"]
        newest = seen.sort_values(order, na_position="first", kind="stable").groupby(key).tail(1)
        return newest[~newest["is_deleted"].astype(bool)]

    def _owner(self, row: object) -> str | None:
        """Whom the row names, by the identifier that counts most."""
        named = (
            ("customer_number", row.source, row.customer_number),
            ("email", "", (row.email or "").strip().lower() or None),
            ("phone", "", row.phone),
            ("device", "", row.anonymous_id),
        )
        return next((self._owners[known] for known in named if known in self._owners), None)

    def _count_orders(self) -> dict[str, dict]:
        headers = {header.order_id: header for header in self._headers.itertuples()}
        orders: dict[str, dict] = {}
        for order_id, lines in self._lines.groupby("order_id"):
            bought = lines[lines["quantity"] > 0]
            if bought.empty:
                continue
            header = headers.get(order_id)
            amounts = bought["quantity"] * bought["unit_price"]
            kinds = bought["line_kind"]
            gross, granted, difference = sum(amounts), ZERO, None
            of_kind = {kind: sum(amounts[kinds == kind]) for kind in set(kinds)}
            if header is not None:
                granted = header.discount_amount if header.discount_amount is not None else ZERO
                expected = gross
                if "discount" not in of_kind:
                    expected -= header.discount_amount or ZERO
                if "shipping" not in of_kind:
                    expected += header.shipping_amount or ZERO
                difference = header.total_amount - expected
            elif "discount" in of_kind:
                granted = -of_kind["discount"]
            orders[order_id] = {
                "customer": self._owner(header) if header is not None else None,
                "ordered_at": bought["ordered_at"].min(),
                "gross": gross,
                "net": gross,
                "discount_granted": granted,
                "header_difference": difference,
                "line_count": len(bought),
            }
        return orders

    def _count_returns(self) -> list[dict]:
        owners = {header.order_id: self._owner(header) for header in self._headers.itertuples()}
        moves = defaultdict(list)
        pieces: list[dict] = []
        for line in self._lines.itertuples():
            owner = owners.get(line.order_id)
            if owner and line.product_id:
                key = (line.ordered_at, line.quantity > 0, line.order_id, line.batch_id, line.line_number)
                moves[owner, line.product_id].append((key, line))
            elif line.quantity < 0:
                pieces.append(_piece(line, owner, None, -line.quantity))
        for (owner, _), history in moves.items():
            pieces += _taken_back(owner, [line for _, line in sorted(history, key=lambda move: move[0])])
        by_line = {(piece["order_id"], piece["product_id"]) for piece in pieces}
        by_line |= {(piece["tied_order_id"], piece["product_id"]) for piece in pieces}
        for refund in self._refunds.itertuples():
            tied = refund.order_id if refund.order_id in self.orders else None
            says_twice = refund.kind == "return" and (refund.order_id, refund.product_id) in by_line
            pieces.append(
                {
                    "origin": "refund",
                    "order_id": refund.order_id,
                    "tied_order_id": tied,
                    "customer": self.orders[tied]["customer"] if tied else self._owner(refund),
                    "product_id": refund.product_id,
                    "quantity": refund.quantity,
                    "has_goods": refund.kind == "return",
                    "amount": ZERO if says_twice else -refund.amount,
                    "at": refund.refunded_at,
                }
            )
        return pieces

    def _count_customers(self) -> dict[str, dict]:
        found: dict[str, dict] = {}
        for order in self.orders.values():
            if order["customer"]:
                found.setdefault(order["customer"], {"orders": [], "returned": ZERO})["orders"].append(order)
        for piece in self.returns:
            if piece["customer"]:
                own = found.setdefault(piece["customer"], {"orders": [], "returned": ZERO})
                own["returned"] += piece["amount"]
        for own in found.values():
            times = sorted(order["ordered_at"] for order in own["orders"])
            own["gross"] = sum((order["gross"] for order in own["orders"]), ZERO)
            own["net"] = own["gross"] + own["returned"]
            own["discount"] = sum((order["discount_granted"] for order in own["orders"]), ZERO)
            own["first"], own["last"] = (times[0], times[-1]) if times else (None, None)
            gaps = [(later - earlier) / timedelta(days=1) for earlier, later in pairwise(times)]
            own["days_between"] = sum(gaps) / len(gaps) if gaps else None
        buyers = {name: own for name, own in found.items() if own["orders"]}
        for score, value in (
            ("recency", lambda own: own["last"]),
            ("frequency", lambda own: len(own["orders"])),
            ("monetary", lambda own: own["net"]),
        ):
            values = sorted(value(own) for own in buyers.values())
            below = {each: values.index(each) for each in set(values)}
            for own in buyers.values():
                share = Decimal(below[value(own)]) / (len(values) - 1)
                own[score] = min(5, 1 + int(5 * share))
        return found

    def lines(self) -> list[tuple]:
        """Every line: order, number, the order's customer, kind, units, amount, whether it is a return."""
        owners = {header.order_id: self._owner(header) for header in self._headers.itertuples()}
        return [
            (
                line.order_id, line.line_id, owners.get(line.order_id), line.line_kind, line.quantity,
                line.quantity * line.unit_price, line.quantity < 0,
            )
            for line in self._lines.itertuples()
        ]  # fmt: skip

    def favourites(self) -> dict[str, tuple[str, str]]:
        """By customer, favourite product (its name) and category: most lines, then most units."""
        products: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(lambda: [0, ZERO]))
        categories: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(lambda: [0, ZERO]))
        names: dict[str, str] = {}
        for line in self._sold().itertuples():
            owner = self.orders[line.order_id]["customer"]
            if owner:
                names[owner, line.product_id] = max(
                    names.get((owner, line.product_id), ""), line.product_name
                )
                for counts, key in ((products, line.product_id), (categories, line.category)):
                    counts[owner][key][0] += 1
                    counts[owner][key][1] += line.quantity
        best = lambda counts: min(counts, key=lambda key: (-counts[key][0], -counts[key][1], key))  # noqa: E731
        return {owner: (names[owner, best(products[owner])], best(categories[owner])) for owner in products}

    def products(self) -> dict[str, tuple]:
        """By product: lines, units, gross, customers, returned units, returned amount."""
        sold = self._sold()
        found = {}
        for product_id, lines in sold.groupby("product_id"):
            owners = {self.orders[order_id]["customer"] for order_id in lines["order_id"]} - {None}
            back = [
                piece
                for piece in self.returns
                if piece["product_id"] == product_id and piece["has_goods"] and piece["amount"]
            ]
            found[product_id] = (
                len(lines),
                sum(lines["quantity"]),
                sum(lines["quantity"] * lines["unit_price"]),
                len(owners),
                sum((piece["quantity"] for piece in back), ZERO),
                sum((piece["amount"] for piece in back), ZERO),
            )
        return found

    def cohorts(self) -> dict[tuple[str, int], tuple]:
        """By month of first order and months since: customers, those who ordered, their orders, net."""
        firsts = {name: own["first"] for name, own in self.customers.items() if own["orders"]}
        size = Counter(first.strftime("%Y-%m") for first in firsts.values())
        active, orders, net = defaultdict(set), Counter(), Counter()
        for order in self.orders.values():
            if order["customer"]:
                cell = _cell(firsts[order["customer"]], order["ordered_at"])
                active[cell].add(order["customer"])
                orders[cell] += 1
                net[cell] += order["net"]
        for piece in self.returns:
            if not piece["tied_order_id"] and piece["customer"] in firsts:
                net[_cell(firsts[piece["customer"]], piece["at"])] += piece["amount"]
        last = self.as_of - timedelta(microseconds=1)
        cells = {}
        for month in size:
            first = pd.Timestamp(f"{month}-01", tz="UTC")
            for since in range(_cell(first, last)[1] + 1):
                cell = (month, since)
                cells[cell] = (size[month], len(active[cell]), orders[cell], Decimal(net[cell]))
        return cells

    def revenue_days(self) -> dict[date, tuple]:
        """By day: orders, those with something returned, gross, returned, net."""
        days: dict[date, list] = defaultdict(lambda: [0, 0, ZERO, ZERO, ZERO])
        for order in self.orders.values():
            day = days[order["ordered_at"].date()]
            parts = (
                1,
                int(order["net"] < order["gross"]),
                order["gross"],
                order["net"] - order["gross"],
                order["net"],
            )
            for place, part in enumerate(parts):
                day[place] += part
        for piece in self.returns:
            if not piece["tied_order_id"]:
                day = days[piece["at"].date()]
                day[3] += piece["amount"]
                day[4] += piece["amount"]
        return {day: tuple(sums) for day, sums in days.items()}

    def rfm_moves(self, days: int) -> dict[tuple, tuple[int, Decimal]]:
        """By cell so many days ago and cell now: customers and their net."""
        before = self.as_of - timedelta(days=days)
        standing = {}
        for name, own in self.customers.items():
            times = [order["ordered_at"] for order in own["orders"] if order["ordered_at"] < before]
            if times:
                standing[name] = (max(times), len(times))
        cells = {}
        for name, (last, count) in standing.items():
            share = [
                Decimal(sum(other[place] < value for other in standing.values())) / (len(standing) - 1)
                for place, value in enumerate((last, count))
            ]
            cells[name] = tuple(min(5, 1 + int(5 * each)) for each in share)
        moves: dict[tuple, tuple[int, Decimal]] = defaultdict(lambda: (0, ZERO))
        for name, own in self.customers.items():
            if own["orders"]:
                move = (*cells.get(name, (None, None)), own["recency"], own["frequency"])
                count, net = moves[move]
                moves[move] = (count + 1, net + own["net"])
        return dict(moves)

    def _sold(self) -> pd.DataFrame:
        lines = self._lines
        return lines[(lines["quantity"] > 0) & (lines["line_kind"] == "product")]


def _taken_back(owner: str, history: Iterable) -> list[dict]:
    """The pieces of a customer's returns of one product, off the latest earlier purchases first."""
    pieces, purchases = [], []  # [order_id, units left], the latest last
    for line in history:
        if line.quantity > 0:
            purchases.append([line.order_id, line.quantity])
            continue
        units = -line.quantity
        while units and purchases:
            taken = min(units, purchases[-1][1])
            pieces.append(_piece(line, owner, purchases[-1][0], taken))
            units -= taken
            purchases[-1][1] -= taken
            if not purchases[-1][1]:
                purchases.pop()
        if units:
            pieces.append(_piece(line, owner, None, units))
    return pieces


def _piece(line: object, owner: str | None, tied_order_id: str | None, units: Decimal) -> dict:
    return {
        "origin": "line",
        "order_id": line.order_id,
        "tied_order_id": tied_order_id,
        "customer": owner,
        "product_id": line.product_id,
        "quantity": units,
        "has_goods": True,
        "amount": -units * line.unit_price,
        "at": line.ordered_at,
    }


def _cell(first: datetime, moment: datetime) -> tuple[str, int]:
    since = 12 * (moment.year - first.year) + moment.month - first.month
    return first.strftime("%Y-%m"), max(since, 0)


def _rows(url: str, table: str) -> pd.DataFrame:
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        cursor = connection.execute(f"select * from {table}")  # type: ignore[arg-type]
        names = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=names, dtype="object")
