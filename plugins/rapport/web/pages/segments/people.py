"""Who is in a segment and who came and went: a page of them at a time, the newest first.

Marketers read on from a customer. Viewers are not told who anybody is, not even the customer's id, which
can be computed from an address: they read the first rows by number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from rapport.web.visitors import Role, Visitor

ROWS = 50
VIEWERS_SEE = 1000
MOVES = ("entered", "left")

PERSONAL_UNSEEN = "null as customer_id, null as first_name, null as last_name, null as email"
_NAME = """
    (lower(btrim(coalesce({}, '') || ' ' || coalesce({}, ''))) collate "C") like {}
"""


@dataclass(frozen=True)
class Person:
    """A member, or somebody who entered or left; of what the visitor may not see, None."""

    at: datetime
    move: str
    reason: str
    since: datetime | None
    customer_id: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    country: str | None
    lifecycle_stage: str | None
    order_count: int | None
    net_revenue: Decimal | None
    reporting_currency: str | None
    last_order_at: datetime | None

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.first_name, self.last_name) if part)


@dataclass(frozen=True)
class Position:
    """Where a page ends, in the order of the list."""

    at: datetime
    customer_id: str
    move: str

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.customer_id}~{self.move}"

    @classmethod
    def read(cls, text: str) -> "Position | None":
        """None where it is no position: such a page begins at the beginning."""
        at, _, rest = text.partition("~")
        customer_id, _, move = rest.rpartition("~")
        try:
            return cls(datetime.fromisoformat(at), customer_id, move)
        except ValueError:
            return None


@dataclass(frozen=True)
class Rows:
    """A page of people. `after` leads to the next one, None at the end; `is_cut`: viewers see no more."""

    people: Sequence[Person]
    after: str | None
    is_cut: bool = False


def members(
    connection: psycopg.Connection, who: Visitor, segment: str, *, begins: str = "", after: str = ""
) -> Rows:
    """Who is in now, who entered last first; `begins` is the beginning of a name or of a customer id."""
    found = sql.SQL(
        """
        select
            memberships.entered_at as at, 'entered' as move, members.reason, null::timestamptz as since,
            {columns}
        from segments.memberships
        inner join segments.members using (segment, customer_id)
        left join {customers} as customers using (customer_id)
        where
            memberships.segment = {segment}
            and memberships.left_at is null
            and {begins}
            and {after}
        order by memberships.entered_at desc, memberships.customer_id desc
        """
    ).format(
        **_seen_by(who, "memberships.customer_id"),
        segment=sql.Literal(segment),
        begins=_beginning(begins) if _knows_people(who) else sql.SQL("true"),
        after=_after(who, "memberships.entered_at, memberships.customer_id", after),
    )
    return _page(connection, who, found, after)


def moves(
    connection: psycopg.Connection,
    who: Visitor,
    segment: str,
    *,
    kind: Literal["entered", "left"] | None = None,
    at: datetime | None = None,
    after: str = "",
) -> Rows:
    """Who entered and who left, the last first: of one kind only, or as of one run only."""
    branches = [
        sql.SQL(
            """
            (
                select
                    memberships.{moment} as at, {move} as move, memberships.customer_id,
                    memberships.reason, {since} as since
                from segments.memberships
                where
                    memberships.segment = {segment}
                    and memberships.{moment} is not null
                    and (memberships.{moment} = {at}::timestamptz or {at}::timestamptz is null)
                    and {after}
                order by memberships.{moment} desc, memberships.customer_id desc
                limit {rows}
            )
            """
        ).format(
            moment=sql.Identifier(f"{move}_at"),
            move=sql.Literal(move),
            since=sql.SQL("null::timestamptz" if move == "entered" else "memberships.entered_at"),
            segment=sql.Literal(segment),
            at=sql.Literal(at),
            after=_after(who, f"memberships.{move}_at, memberships.customer_id", after, move),
            rows=sql.Literal(ROWS + 1 if _knows_people(who) else VIEWERS_SEE + 1),
        )
        for move in MOVES
        if kind in (None, move)
    ]
    found = sql.SQL(
        """
        select moved.at, moved.move, moved.reason, moved.since, {columns}
        from ({branches}) as moved
        left join {customers} as customers on moved.customer_id = customers.customer_id
        order by moved.at desc, moved.customer_id desc, moved.move desc
        """
    ).format(**_seen_by(who, "moved.customer_id"), branches=sql.SQL(" union all ").join(branches))
    return _page(connection, who, found, after)


def _knows_people(who: Visitor) -> bool:
    return who.may(Role.MARKETER)


def _seen_by(who: Visitor, customer_id: str) -> dict[str, sql.Composable]:
    """The columns of `Person` from the fourth on, and the table that has them."""
    personal = f"{customer_id}, first_name, last_name, email" if _knows_people(who) else PERSONAL_UNSEEN
    columns = (
        f"{personal}, country, lifecycle_stage, order_count, net_revenue, reporting_currency, last_order_at"
    )
    schema = "marts" if _knows_people(who) else "reporting"
    return {"columns": sql.SQL(columns), "customers": sql.Identifier(schema, "customers")}


def _beginning(text: str) -> sql.Composable:
    """What is typed matches literally: a percent sign is a percent sign."""
    text = " ".join(text.split())
    if not text:
        return sql.SQL("true")
    if re.fullmatch("c_[0-9a-f]*", text):
        return sql.SQL("memberships.customer_id >= {0} and memberships.customer_id < {0} || 'g'").format(
            sql.Literal(text)
        )
    pattern = sql.Literal(re.sub(r"([\\%_])", r"\\\1", text.lower()) + "%")
    names = (sql.Identifier("customers", name) for name in ("first_name", "last_name"))
    first, last = names
    return sql.SQL(f"({_NAME} or {_NAME})").format(first, last, pattern, last, first, pattern)


def _after(who: Visitor, columns: str, after: str, *own: str) -> sql.Composable:
    """The rows behind a position; `own` is what the branch has beside its columns, in the order of both."""
    position = Position.read(after) if _knows_people(who) else None
    if position is None:
        return sql.SQL("true")
    values = [position.at, position.customer_id, position.move][: 2 + len(own)]
    return sql.SQL("({}) < ({})").format(
        sql.SQL(", ").join([sql.SQL(columns), *(sql.Literal(value) for value in own)]),
        sql.SQL(", ").join(sql.Literal(value) for value in values),
    )


def _page(connection: psycopg.Connection, who: Visitor, query: sql.Composed, after: str) -> Rows:
    skipped = 0 if _knows_people(who) or not after.isdecimal() else min(int(after), VIEWERS_SEE - ROWS)
    with connection.cursor(row_factory=class_row(Person)) as cursor:
        found = cursor.execute(
            query + sql.SQL(" limit {} offset {}").format(sql.Literal(ROWS + 1), sql.Literal(skipped))
        ).fetchall()
    people, is_more = found[:ROWS], len(found) > ROWS
    if _knows_people(who):
        last = people[-1] if is_more else None
        return Rows(people, str(Position(last.at, last.customer_id or "", last.move)) if last else None)
    read = skipped + ROWS
    can_read_on = is_more and read < VIEWERS_SEE
    return Rows(people, str(read) if can_read_on else None, is_cut=is_more and not can_read_on)
