"""What the members of a segment are like beside all customers, from what each run counted."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from markupsafe import Markup

SHOWN = 8  # values of a dimension without an order of its own; the rest is added up


@dataclass(frozen=True)
class Dimension:
    """`values` in their own order, with their names; others by how many members have them."""

    column: str
    title: str
    unknown: str
    values: Sequence[tuple[str, str]] = ()


def _scores(best: str, worst: str) -> list[tuple[str, str]]:
    return [("5", f"5, {best}"), ("4", "4"), ("3", "3"), ("2", "2"), ("1", f"1, {worst}")]


DIMENSIONS = (
    Dimension(
        "lifecycle_stage",
        "Stage",
        "not known",
        [
            ("new", "New"),
            ("active", "Active"),
            ("returned", "Returned"),
            ("at_risk", "At risk"),
            ("lapsed", "Lapsed"),
            ("prospect", "Prospect"),
        ],
    ),
    Dimension("country", "Country", "not known"),
    Dimension("recency_score", "Recency score", "no orders", _scores("latest", "longest ago")),
    Dimension("frequency_score", "Frequency score", "no orders", _scores("most orders", "fewest")),
    Dimension("monetary_score", "Spending score", "not known", _scores("most", "least")),
    Dimension(
        "nps_group",
        "Would recommend us (NPS)",
        "no answer",
        [("promoter", "Promoter"), ("passive", "Passive"), ("detractor", "Detractor")],
    ),
    Dimension("last_channel", "Channel of the last visit", "no visit"),
)


@dataclass(frozen=True)
class Value:
    """How many of the members and of all customers have a value of a dimension; shares from 0 to 1."""

    name: str
    members: int
    share: float
    share_of_all: float

    @property
    def ratio(self) -> float | None:
        """How many times as common it is in the segment as among all; None where nobody has it."""
        return self.share / self.share_of_all if self.share_of_all else None

    @property
    def stands_out(self) -> bool:
        """Whether it is a fifth more or less common in the segment than among all, where anybody has it."""
        return self.share > 0 and self.ratio is not None and not 0.8 < self.ratio < 1.2

    @property
    def bars(self) -> Markup:
        """The two shares, one above the other; the table beside them has the figures."""
        return Markup(
            '<svg class="shares" aria-hidden="true" viewBox="0 0 100 12" preserveAspectRatio="none">'
            '<rect class="own" width="{:.2f}" height="7"/>'
            '<rect class="all" width="{:.2f}" y="8" height="4"/></svg>'
        ).format(self.share * 100, self.share_of_all * 100)


def read_profile(connection: psycopg.Connection, segment: str) -> list[tuple[Dimension, list[Value]]]:
    """Each dimension with its values; nothing where the segment is empty or not counted yet."""
    counted: dict[str, dict[str | None, tuple[int, int]]] = {}
    for column, value, members, customers in connection.execute(
        "select dimension, value, members, customers from segments.profiles where segment = %s", [segment]
    ):
        counted.setdefault(column, {})[value] = (members, customers)
    return [
        (dimension, _values(dimension, counted[dimension.column]))
        for dimension in DIMENSIONS
        if dimension.column in counted
    ]


def _values(dimension: Dimension, counted: dict[str | None, tuple[int, int]]) -> list[Value]:
    named = dict(dimension.values)
    of_members = sum(members for members, _ in counted.values())
    of_all = sum(customers for _, customers in counted.values())
    order = [value for value, _ in dimension.values] or _most_common(counted)
    shown = [value for value in order if value in counted]
    shown = shown if dimension.values else shown[:SHOWN]
    rows = [(named.get(value, value.replace("_", " ")), *counted[value]) for value in shown]
    rest = [counted[value] for value in counted.keys() - {None, *shown}]
    if rest:
        rows.append((f"{len(rest)} others", sum(own for own, _ in rest), sum(every for _, every in rest)))
    if None in counted:
        rows.append((dimension.unknown, *counted[None]))
    return [
        Value(name, members, members / of_members if of_members else 0.0, every / of_all if of_all else 0.0)
        for name, members, every in rows
    ]


def _most_common(counted: dict[str | None, tuple[int, int]]) -> list[str]:
    values = [value for value in counted if value is not None]
    return sorted(values, key=lambda value: (*(-number for number in counted[value]), value))
