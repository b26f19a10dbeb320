"""The codes that an edition's messages take from their campaign's pool when it is planned."""

import psycopg

_FREE_AGAIN = """
with unsent as (
    select messages.message_id
    from activation.vouchers
    inner join activation.messages on vouchers.message_id = messages.message_id
    where
        (
            vouchers.pool = %(pool)s
            and messages.state in ('skipped', 'expired', 'cancelled')
        )
        or (
            messages.edition_id = %(edition)s
            and messages.state in ('planned', 'skipped', 'expired', 'cancelled')
        )
),

freed as (
    update activation.vouchers set message_id = null, taken_at = null
    where message_id in (select message_id from unsent)
)

update activation.messages set voucher = null
where message_id in (select message_id from unsent)
"""

_TAKE = """
with free as (
    select code, row_number() over (order by code) as place
    from (
        select code from activation.vouchers
        where pool = %(pool)s and message_id is null
        order by code
        limit %(wanted)s
        for update
    ) as first_codes
),

wanted as (
    select message_id, row_number() over (order by message_id) as place
    from activation.messages
    where edition_id = %(edition)s and state = 'planned'
),

taken as (
    update activation.vouchers set message_id = wanted.message_id, taken_at = now()
    from free
    inner join wanted using (place)
    where vouchers.pool = %(pool)s and vouchers.code = free.code
    returning vouchers.message_id, vouchers.code
)

update activation.messages set voucher = taken.code
from taken
where messages.message_id = taken.message_id
"""


def give_back(connection: psycopg.Connection, edition_id: str, pool: str | None = None) -> None:
    """Free the codes of what this edition has not sent, and those of a pool whose messages never left."""
    connection.execute(_FREE_AGAIN, {"pool": pool, "edition": edition_id})


def take(connection: psycopg.Connection, pool: str, edition_id: str) -> str | None:
    """One code for each planned message of the edition; why not, where the pool has too few."""
    give_back(connection, edition_id, pool)
    row = connection.execute(
        "select count(*) from activation.messages where edition_id = %s and state = 'planned'", [edition_id]
    ).fetchone()
    wanted = row[0] if row else 0
    if fault := shortage(connection, pool, wanted):
        return fault
    connection.execute(_TAKE, {"pool": pool, "edition": edition_id, "wanted": wanted})
    return None


def shortage(connection: psycopg.Connection, pool: str, mails: int) -> str | None:
    """That the pool has too few free codes for so many mails; None where it has enough."""
    row = connection.execute(
        "select count(*) from activation.vouchers where pool = %s and message_id is null", [pool]
    ).fetchone()
    free = row[0] if row else 0
    return f"low_vouchers: pool {pool} has {free} codes for {mails} mails" if free < mails else None
