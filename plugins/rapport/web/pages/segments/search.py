"""Finding members by the beginning of a name, said either way round, or of their id. For marketers."""

import re

import psycopg
from psycopg import sql

from rapport.web.pages.segments.people import ROWS, Customer, Person, Rows, customers
from rapport.web.visitors import Visitor

# As marts.customers is indexed.
_FIRST_LAST, _LAST_FIRST = (
    f"(lower(btrim(coalesce(customers.{one}, '') || ' ' || coalesce(customers.{other}, ''))) collate \"C\")"
    for one, other in (("first_name", "last_name"), ("last_name", "first_name"))
)

# The first page begins where such names begin: from '' on, the index would be read up to there.
_BY_NAME = f"""
with last_shown as (
    select
        case when {_FIRST_LAST} like %(pattern)s then {_FIRST_LAST} else {_LAST_FIRST} end as name,
        customer_id
    from marts.customers where customer_id = %(after)s
    union all
    select %(begins)s, '' where %(after)s = ''
),

found as (
    (
        select {_FIRST_LAST} as name, customers.customer_id
        from marts.customers
        where
            {_FIRST_LAST} like %(pattern)s
            and ({_FIRST_LAST}, customers.customer_id)
            > ((select name from last_shown), (select customer_id from last_shown))
            and exists (
                select from segments.members
                where members.segment = %(segment)s and members.customer_id = customers.customer_id
            )
        order by name, customers.customer_id
        limit %(rows)s
    )
    union all
    (
        select {_LAST_FIRST} as name, customers.customer_id
        from marts.customers
        where
            {_LAST_FIRST} like %(pattern)s
            and not {_FIRST_LAST} like %(pattern)s
            and ({_LAST_FIRST}, customers.customer_id)
            > ((select name from last_shown), (select customer_id from last_shown))
            and exists (
                select from segments.members
                where members.segment = %(segment)s and members.customer_id = customers.customer_id
            )
        order by name, customers.customer_id
        limit %(rows)s
    )
)

select customer_id from found order by name collate "C", customer_id limit %(rows)s
"""

# Ids are "c_" and hexadecimal digits, of which g would be the next.
_BY_ID = """
select customer_id from segments.members
where
    segment = %(segment)s
    and customer_id >= %(begins)s
    and customer_id < %(begins)s || 'g'
    and customer_id > %(after)s
order by customer_id
limit %(rows)s
"""


def search(
    connection: psycopg.Connection, who: Visitor, segment: str, begins: str, *, after: str = ""
) -> Rows:
    """Members of whom it is the beginning, in the order of what it is the beginning of.

    What is typed matches literally: a percent sign is a percent sign. `after` is the id shown last.
    """
    begins = " ".join(begins.lower().split())
    values = {
        "segment": segment,
        "after": after,
        "rows": ROWS + 1,
        "begins": begins,
        "pattern": re.sub(r"([\\%_])", r"\\\1", begins) + "%",
    }
    query = _BY_ID if re.fullmatch("c_[0-9a-f]*", begins) else _BY_NAME
    ids = [customer_id for (customer_id,) in connection.execute(sql.SQL(query), values)]
    return Rows(_people(connection, who, segment, ids[:ROWS]), ids[ROWS - 1] if len(ids) > ROWS else None)


def _people(connection: psycopg.Connection, who: Visitor, segment: str, ids: list[str]) -> list[Person]:
    known = customers(connection, who, ids)
    stays = {
        customer_id: (entered_at, reason)
        for customer_id, entered_at, reason in connection.execute(
            """
            select members.customer_id, memberships.entered_at, members.reason
            from segments.members
            inner join segments.memberships using (segment, customer_id)
            where
                members.segment = %s and members.customer_id = any(%s) and memberships.left_at is null
            """,
            [segment, ids],
        )
    }
    return [
        Person(
            at=stays[customer_id][0],
            move="entered",
            reason=stays[customer_id][1],
            since=None,
            customer_id=customer_id,
            customer=known.get(customer_id, Customer()),
        )
        for customer_id in ids
        if customer_id in stays
    ]
