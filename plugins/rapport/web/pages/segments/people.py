"""Who is in a segment and who came and went, a page of them at a time.

Marketers read on from a customer. Viewers are not told who anybody is, not even the customer's id, which
can be computed from an address: they read the first rows by number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

import psycopg
from psycopg import sql

from rapport.web.visitors import Role, Visitor

ROWS = 50
VIEWERS_SEE = 1000

Move = Literal["entered", "left"]
MOVES: tuple[Move, ...] = ("entered", "left")

# The columns of `Customer`, for who may see people and for who may not.
_COLUMNS = "country, lifecycle_stage, order_count, net_revenue, reporting_currency, last_order_at"
_SEEN_BY_MARKETERS = f"select customer_id, {_COLUMNS}, first_name, last_name, email from marts.customers"
_SEEN_BY_VIEWERS = f"select customer_id, {_COLUMNS} from reporting.customers"


@dataclass(frozen=True)
class Customer:
    """What a list tells of somebody; of what the visitor may not see, and of who is no customer now, None."""

    country: str | None = None
    lifecycle_stage: str | None = None
    order_count: int | None = None
    net_revenue: Decimal | None = None
    reporting_currency: str | None = None
    last_order_at: datetime | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.first_name, self.last_name) if part)


class Stay(NamedTuple):
    """Somebody's entering or leaving; `since`: of who left, when they had entered."""

    at: datetime
    move: Move
    customer_id: str
    reason: str
    since: datetime | None


@dataclass(frozen=True)
class Person:
    """Somebody in a list; `customer_id` is None for viewers."""

    at: datetime
    move: Move
    reason: str
    since: datetime | None
    customer_id: str | None
    customer: Customer


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


def members(connection: psycopg.Connection, who: Visitor, segment: str, *, after: str = "") -> Rows:
    """Who is in now, who entered last first."""
    found = sql.SQL(
        """
        with stays as (
            select entered_at, customer_id, reason from segments.memberships
            where segment = {segment} and left_at is null and {after}
            order by entered_at desc, customer_id desc
            limit {rows} offset {skipped}
        )

        select
            stays.entered_at, 'entered', stays.customer_id, coalesce(members.reason, stays.reason),
            null::timestamptz
        from stays
        left join segments.members
            on members.segment = {segment} and stays.customer_id = members.customer_id
        order by stays.entered_at desc, stays.customer_id desc
        """
    ).format(
        segment=sql.Literal(segment),
        after=_after(who, "entered_at, customer_id", after),
        rows=sql.Literal(ROWS + 1),
        skipped=sql.Literal(_skipped(who, after)),
    )
    return _page(connection, who, _stays(connection, found), after)


def moves(
    connection: psycopg.Connection,
    who: Visitor,
    segment: str,
    *,
    kind: Move | None = None,
    at: datetime | None = None,
    after: str = "",
) -> Rows:
    """Who entered and who left, the last first: of one kind only, or as of one run only."""
    skipped = _skipped(who, after)
    branches = [
        sql.SQL(
            """
            (
                select {moment} as at, {move} as move, customer_id, reason, {since} as since
                from segments.memberships
                where
                    segment = {segment}
                    and {moment} is not null
                    and ({moment} = {at}::timestamptz or {at}::timestamptz is null)
                    and {after}
                order by {moment} desc, customer_id desc
                limit {rows}
            )
            """
        ).format(
            moment=sql.Identifier(f"{move}_at"),
            move=sql.Literal(move),
            since=sql.SQL("null::timestamptz" if move == "entered" else "entered_at"),
            segment=sql.Literal(segment),
            at=sql.Literal(at),
            after=_after(who, f"{move}_at, customer_id", after, move),
            rows=sql.Literal(skipped + ROWS + 1),
        )
        for move in MOVES
        if kind in (None, move)
    ]
    found = sql.SQL(
        """
        select at, move, customer_id, reason, since from ({branches}) as moved
        order by at desc, customer_id desc, move desc
        limit {rows} offset {skipped}
        """
    ).format(
        branches=sql.SQL(" union all ").join(branches),
        rows=sql.Literal(ROWS + 1),
        skipped=sql.Literal(skipped),
    )
    return _page(connection, who, _stays(connection, found), after)


def customers(connection: psycopg.Connection, who: Visitor, ids: Iterable[str]) -> dict[str, Customer]:
    """What the visitor may see of these customers, by id."""
    seen = _SEEN_BY_MARKETERS if _knows_people(who) else _SEEN_BY_VIEWERS
    rows = connection.execute(sql.SQL(f"{seen} where customer_id = any(%s)"), [list(ids)])
    return {customer_id: Customer(*values) for customer_id, *values in rows}


def _knows_people(who: Visitor) -> bool:
    return who.may(Role.MARKETER)


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


def _skipped(who: Visitor, after: str) -> int:
    return 0 if _knows_people(who) or not after.isdecimal() else min(int(after), VIEWERS_SEE - ROWS)


def _stays(connection: psycopg.Connection, query: sql.Composed) -> list[Stay]:
    return [Stay(*row) for row in connection.execute(query)]


def _page(connection: psycopg.Connection, who: Visitor, found: Sequence[Stay], after: str) -> Rows:
    """One stay more than a page has says that there is another page."""
    shown, is_more = found[:ROWS], len(found) > ROWS
    known = customers(connection, who, [stay.customer_id for stay in shown])
    people = [
        Person(
            at=stay.at,
            move=stay.move,
            reason=stay.reason,
            since=stay.since,
            customer_id=stay.customer_id if _knows_people(who) else None,
            customer=known.get(stay.customer_id, Customer()),
        )
        for stay in shown
    ]
    if _knows_people(who):
        last = shown[-1] if is_more else None
        return Rows(people, str(Position(last.at, last.customer_id, last.move)) if last else None)
    read = _skipped(who, after) + ROWS
    can_read_on = is_more and read < VIEWERS_SEE
    return Rows(people, str(read) if can_read_on else None, is_cut=is_more and not can_read_on)
