"""Who a customer is: what is known of them and from where, their figures, segments and company."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

SEGMENTS_BEFORE = 30

# How each field was chosen among what the sources say; the models' descriptions have it at length.
_LAST_SEEN = "seen last, in any source"
_CONTACTS_FIRST = "contacts first, then orders, then any other stream; of these the last"
_FIELDS = (
    ("E-mail", ("email",), "email_source", _LAST_SEEN),
    ("Phone", ("phone",), "phone_source", _LAST_SEEN),
    ("Name", ("first_name", "last_name"), "name_source", f"{_CONTACTS_FIRST}; both parts from one record"),
    ("Country", ("country",), "country_source", _CONTACTS_FIRST),
    ("Place", ("postal_code", "city"), "place_source", f"{_CONTACTS_FIRST}; both parts from one record"),
    ("Time zone", ("time_zone",), "time_zone_source", _CONTACTS_FIRST),
    ("Language", ("language",), "language_source", "what contacts said last"),
)


@dataclass(frozen=True)
class Field:
    """Something known of a customer. `source` None: nobody said it."""

    label: str
    value: str
    source: str | None
    rule: str


@dataclass(frozen=True)
class Membership:
    """A time in a segment; `left_at` None: still in it. `reason`: why they entered, or now are in."""

    segment: str
    reason: str
    entered_at: datetime | None
    left_at: datetime | None


@dataclass(frozen=True)
class Revenue:
    """What a customer spent in one currency."""

    currency: str | None
    order_count: int
    gross_amount: Decimal | None
    returned_amount: Decimal | None
    net_amount: Decimal | None


def customer(connection: psycopg.Connection, customer_id: str, *, masked: bool) -> dict[str, Any] | None:
    """The row in marts, or with personal data masked in reporting; None where there is none."""
    schema = "reporting" if masked else "marts"
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            sql.SQL("select * from {} where customer_id = %s").format(sql.Identifier(schema, "customers")),
            [customer_id],
        ).fetchone()


def is_built(connection: psycopg.Connection) -> bool:
    """Whether there is a customer view that these pages can read."""
    row = connection.execute(
        """
        select
            to_regclass('reporting.customer_timeline') is not null
            and to_regclass('reporting.customer_identifiers') is not null
        """
    ).fetchone()
    return row is not None and bool(row[0])


def surviving(connection: psycopg.Connection, customer_id: str) -> str | None:
    """Who an id that was joined into another one is today; None where it was not. A marketer's connection."""
    row = connection.execute(
        "select customer_id from marts.customer_redirects where old_customer_id = %s", [customer_id]
    ).fetchone()
    return None if row is None else str(row[0])


def fields(row: dict[str, Any]) -> list[Field]:
    """What is known of the customer, with where each comes from. `row` is that of marts."""
    return [
        Field(label, " ".join(str(row[column]) for column in columns if row[column]), row[source], rule)
        for label, columns, source, rule in _FIELDS
    ]


def revenue_by_currency(connection: psycopg.Connection, customer_id: str) -> list[Revenue]:
    """A row for each currency that they paid in. A marketer's connection."""
    with connection.cursor(row_factory=class_row(Revenue)) as cursor:
        return cursor.execute(
            """
            select currency, order_count, gross_amount, returned_amount, net_amount
            from marts.customer_revenue
            where customer_id = %s
            order by net_amount desc nulls last, currency
            """,
            [customer_id],
        ).fetchall()


def company(connection: psycopg.Connection, company_key: str | None) -> dict[str, Any] | None:
    """The company they belong to. A marketer's connection."""
    if company_key is None:
        return None
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select * from marts.companies where company_key = %s", [company_key]
        ).fetchone()


# The key begins with the segment: a step from each segment to the next one reads as many rows as there are.
_SEGMENTS = """
with recursive names as (
    (select min(segment) as segment from segments.memberships)
    union all
    select (select min(segment) from segments.memberships where memberships.segment > names.segment)
    from names
    where names.segment is not null
),

known as (select coalesce(array_agg(segment), '{}') as segments from names where segment is not null),

times as (
    select segment, reason, entered_at, left_at
    from segments.memberships
    where segment = any((select segments from known)::text[]) and customer_id = %(customer)s
)

select times.segment, coalesce(members.reason, times.reason) as reason, times.entered_at, times.left_at
from times
left join segments.members
    on times.segment = members.segment and members.customer_id = %(customer)s and times.left_at is null
order by times.left_at desc nulls first, times.entered_at desc, times.segment
limit %(limit)s
"""


def memberships(connection: psycopg.Connection, customer_id: str) -> list[Membership]:
    """The segments they are in, the latest first, then those they have left, the last one first."""
    with connection.cursor(row_factory=class_row(Membership)) as cursor:
        return cursor.execute(_SEGMENTS, {"customer": customer_id, "limit": SEGMENTS_BEFORE + 100}).fetchall()
