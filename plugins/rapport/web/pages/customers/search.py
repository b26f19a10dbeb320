"""Finding customers: by what they are known by, each an index probe, or by the beginning of a name."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from rapport.web.pages.customers.wanted import Wanted

PAGE = 20
_FIRST_LAST = "lower(btrim(coalesce(first_name, '') || ' ' || coalesce(last_name, ''))) collate \"C\""
_LAST_FIRST = "lower(btrim(coalesce(last_name, '') || ' ' || coalesce(first_name, ''))) collate \"C\""

_BY_IDENTIFIER = """
select customer_id, kind as found_by, source, last_seen_at
from marts.customer_identifiers
where kind = 'email' and source = '' and value = any(%(emails)s)
union all
select customer_id, kind, source, last_seen_at
from marts.customer_identifiers
where kind = 'email' and source = '' and mailbox = any(%(emails)s)
union all
select customer_id, kind, source, last_seen_at
from marts.customer_identifiers
where kind = 'phone' and source = '' and value = any(%(phones)s)
union all
select customer_id, kind, source, last_seen_at
from marts.customer_identifiers
where kind = 'customer_number' and source = any(%(number_sources)s) and value = %(number)s
union all
select customer_id, kind, source, last_seen_at
from marts.customer_identifiers
where kind = 'contact' and source = any(%(contact_sources)s) and value = %(number)s
union all
select customer_id, 'customer_id', '', null
from marts.customers
where customer_id = %(customer_id)s
union all
select customer_id, 'former_id', '', null
from marts.customer_redirects
where old_customer_id = %(customer_id)s
order by last_seen_at desc nulls first, customer_id
limit %(page)s
"""

# The key begins with the source: a step from each source to the next one reads as many rows as there are.
# First of an order and not min(), which PostgreSQL finds in a view only by reading all of it.
_SOURCES = """
with recursive sources as (
    (
        select source from {identifiers} as identifiers
        where kind = %(kind)s
        order by source
        limit 1
    )
    union all
    select following.source
    from sources
    cross join lateral (
        select source from {identifiers} as identifiers
        where identifiers.kind = %(kind)s and identifiers.source > sources.source
        order by source
        limit 1
    ) as following
)

select source from sources
"""

# The first page begins where such names begin: from '' on, the index would be read up to there.
BY_NAME = f"""
with last_shown as (
    select
        case when {_FIRST_LAST} like lower(%(pattern)s) then {_FIRST_LAST} else {_LAST_FIRST} end as name_key,
        customer_id
    from marts.customers
    where customer_id = %(after)s
    union all
    select lower(%(begins)s), ''
    where %(after)s is null
),

found as (
    (
        select {_FIRST_LAST} as name_key, customer_id
        from marts.customers
        where
            {_FIRST_LAST} like lower(%(pattern)s)
            and ({_FIRST_LAST}, customer_id)
            > ((select name_key from last_shown), (select customer_id from last_shown))
        order by name_key, customer_id
        limit %(page)s
    )
    union all
    (
        select {_LAST_FIRST} as name_key, customer_id
        from marts.customers
        where
            {_LAST_FIRST} like lower(%(pattern)s)
            and not {_FIRST_LAST} like lower(%(pattern)s)
            and ({_LAST_FIRST}, customer_id)
            > ((select name_key from last_shown), (select customer_id from last_shown))
        order by name_key, customer_id
        limit %(page)s
    )
)

select customer_id, 'name' as found_by, '' as source
from found
order by name_key collate "C", customer_id
limit %(page)s
"""

_BY_NUMBER_MASKED = """
select customer_id, source, customer_number
from reporting.customer_identifiers
where kind = 'customer_number' and source = any(%(sources)s) and customer_number = %(number)s
order by source
"""


@dataclass(frozen=True)
class Hit:
    """A customer who was found, and by what."""

    customer_id: str
    found_by: str
    source: str
    first_name: str | None
    last_name: str | None
    email: str | None
    city: str | None
    country: str | None
    lifecycle_stage: str
    order_count: int
    net_revenue: Decimal | None
    reporting_currency: str
    last_order_at: datetime | None

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.first_name, self.last_name) if part)


@dataclass(frozen=True)
class MaskedHit:
    """A customer number as somebody sees it who may not see people."""

    customer_id: str
    source: str
    customer_number: str


@dataclass(frozen=True)
class Page:
    """Some hits; `after` asks for those that follow, None where there are no more."""

    hits: list[Hit]
    after: str | None


def find(connection: psycopg.Connection, wanted: Wanted, after: str | None) -> Page:
    """Who the text may mean: exact identifiers first, then names in the order of the alphabet.

    The connection is a marketer's. `after` is the customer that the page before ended with.
    """
    found: dict[str, tuple[str, str]] = {}
    if after is None:
        for customer_id, found_by, source, _ in _by_identifier(connection, wanted):
            found.setdefault(customer_id, (found_by, source))
    names: list[Any] = []
    if wanted.name is not None:
        names = connection.execute(
            BY_NAME,
            {
                "begins": wanted.name,
                "pattern": f"{_literally(wanted.name)}%",
                "after": after,
                "page": PAGE + 1,
            },
        ).fetchall()
    for customer_id, found_by, source in names[:PAGE]:
        found.setdefault(customer_id, (found_by, source))
    return Page(
        _details(connection, found),
        after=names[PAGE - 1][0] if len(names) > PAGE else None,
    )


def find_masked(connection: psycopg.Connection, number: str) -> list[MaskedHit]:
    """Whose customer number it is, through what a reader may see."""
    sources = _sources(connection, "reporting.customer_identifiers", "customer_number")
    with connection.cursor(row_factory=class_row(MaskedHit)) as cursor:
        return cursor.execute(_BY_NUMBER_MASKED, {"sources": sources, "number": number}).fetchall()


def details(connection: psycopg.Connection, customer_ids: list[str]) -> list[Hit]:
    """The customers with these ids, in this order; an id that is nobody's is left out."""
    return _details(connection, {customer_id: ("", "") for customer_id in customer_ids})


def _by_identifier(connection: psycopg.Connection, wanted: Wanted) -> list[Any]:
    return connection.execute(
        _BY_IDENTIFIER,
        {
            "emails": list(wanted.emails),
            "phones": list(wanted.phones),
            "number": wanted.number,
            "number_sources": _sources(connection, "marts.customer_identifiers", "customer_number"),
            "contact_sources": _sources(connection, "marts.customer_identifiers", "contact"),
            "customer_id": wanted.customer_id,
            "page": PAGE,
        },
    ).fetchall()


def _sources(connection: psycopg.Connection, identifiers: str, kind: str) -> list[str]:
    statement = sql.SQL(_SOURCES).format(identifiers=sql.Identifier(*identifiers.split(".")))
    return [row[0] for row in connection.execute(statement, {"kind": kind})]


def _details(connection: psycopg.Connection, found: dict[str, tuple[str, str]]) -> list[Hit]:
    with connection.cursor(row_factory=class_row(Hit)) as cursor:
        return cursor.execute(
            """
            select
                wanted.customer_id, wanted.found_by, wanted.source, first_name, last_name, email, city,
                country, lifecycle_stage, order_count, net_revenue, reporting_currency, last_order_at
            from unnest(%s::text[], %s::text[], %s::text[])
                with ordinality as wanted (customer_id, found_by, source, place)
            inner join marts.customers on wanted.customer_id = customers.customer_id
            order by wanted.place
            """,
            [list(found), [by for by, _ in found.values()], [source for _, source in found.values()]],
        ).fetchall()


def _literally(text: str) -> str:
    """The text as a pattern that matches itself: per cent signs and underscores are letters like others."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
