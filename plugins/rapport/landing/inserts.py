"""Landed rows → the stream's raw table, one set-based statement for each way of delivering.

Appended rows and versions go in by row_key: the index then grows at one place at a time, which takes 2.8 s
off 542,000 rows.
"""

from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg import sql

from rapport.landing import event_months, row_keys
from rapport.landing.copying import LANDED, REJECTED
from rapport.landing.places import Place
from rapport.sources.feed import Feed
from rapport.streams import Mode

_INTO = """
    insert into {table} (
        {names}, source, mode, payload, row_key, content_hash, line_number, batch_id, delivered_as, revision
    )
    select
        {names}, %(source)s, %(mode)s, payload, row_key, content_hash, line_number,
        %(batch_id)s, nullif(%(delivery)s, %(batch_id)s), %(revision)s
"""

# Rows of replaced batches do not count.
_COUNTS = "batch_id not in (select batch_id from ops.load_batches where replaced_by is not null)"

_APPEND = (
    _INTO
    + """
    from (
        select distinct on (row_key) *
        from ({incoming}) as incoming
        where {is_new}
        order by row_key, line_number
    ) as first_rows
    on conflict do nothing
    """
)

# Rows of one key are in conflict within a revision. Where a stream of a source has more than one, the others
# have to be asked too.
_IS_NEW_IN_OTHER_REVISIONS = (
    """
    not exists (
        select from {table} as earlier
        where earlier.source = %(source)s and earlier.row_key = incoming.row_key
            and earlier.revision < %(revision)s and earlier."""
    + _COUNTS
    + """
    )
    """
)

_REPLACE_ORDER = (
    """
    with incoming as materialized ({incoming}),

    delivered as (
        select order_id, array_agg(content_hash order by content_hash) as lines
        from incoming
        group by order_id
    ),

    earlier as materialized (
        select order_id, content_hash, coalesce(delivered_as, batch_id) as delivery
        from {table}
        where source = %(source)s and order_id in (select order_id from delivered)
            and mode = %(mode)s and coalesce(delivered_as, batch_id) < %(delivery)s and """
    + _COUNTS
    + """
    ),

    stored as (
        select order_id, array_agg(content_hash order by content_hash) as lines
        from earlier
        inner join (select order_id, max(delivery) as delivery from earlier group by order_id) as newest
            using (order_id, delivery)
        group by order_id
    )
    """
    + _INTO
    + """
    from incoming
    where order_id in (
        select delivered.order_id
        from delivered
        left join stored using (order_id)
        where delivered.lines is distinct from stored.lines
    )
    """
)

# What the feed's earlier snapshots have left of some records.
_STORED = (
    """
    select distinct on ({key}) *
    from {table}
    where source = %(source)s and {chosen}
        and mode = %(mode)s and coalesce(delivered_as, batch_id) < %(delivery)s
        and batch_id in (select batch_id from ops.load_batches where feed = %(feed)s and stream = %(stream)s)
        and """
    + _COUNTS
    + """
    order by {key}, coalesce(delivered_as, batch_id) desc
    """
)

_SNAPSHOT = (
    """
    with incoming as (select distinct on ({key}) * from ({incoming}) as rows order by {key}, line_number),

    stored as ({stored_incoming})
    """
    + _INTO
    + """
    from incoming
    where ({key}, content_hash) not in (select {key}, content_hash from stored)
    """
)

# A tombstone is line 0 of the file that no longer has the record.
_TOMBSTONES = """
    insert into {table} (
        {columns}, is_deleted, source, mode, payload, row_key, content_hash, line_number, batch_id,
        delivered_as, revision
    )
    select
        {columns}, true, source, mode, payload, {row_key}, md5(concat(content_hash, 'deleted'))::uuid, 0,
        %(batch_id)s, nullif(%(delivery)s, %(batch_id)s), %(revision)s
    from ({stored_missing}) as stored
    where line_number > 0
"""


def insert_rows(connection: psycopg.Connection, feed: Feed, place: Place, *, is_whole: bool) -> int:
    """Put the landed rows into raw; how many were new. The others are there already.

    Where the feed delivers snapshots, records that the file lacks get a tombstone, if the file `is_whole`:
    after a rejected row nobody knows what is missing.
    """
    given = {
        "source": feed.source,
        "stream": feed.stream,
        "feed": feed.name,
        "mode": feed.mode.value,
        "batch_id": place.batch_id,
        "delivery": place.delivery,
        "revision": place.revision,
    }
    parts = _parts(feed, place)
    if feed.stream == event_months.STREAM:
        event_months.make_landed_months(connection)
        if event_months.find_known(connection, feed, place):
            parts["is_new"] = sql.SQL("{} and row_key not in (select row_key from {})").format(
                parts["is_new"], event_months.KNOWN
            )
    if feed.mode is Mode.SNAPSHOT and is_whole:
        connection.execute(sql.SQL(_TOMBSTONES).format(**parts), given)
    statements: dict[Mode, LiteralString] = {Mode.REPLACE_ORDER: _REPLACE_ORDER, Mode.SNAPSHOT: _SNAPSHOT}
    statement = statements.get(feed.mode, _APPEND)
    return connection.execute(sql.SQL(statement).format(**parts), given).rowcount


def insert_rejected(
    connection: psycopg.Connection,
    feed: Feed,
    batch_id: int,
    path: str,
    page_starts: Sequence[int] | None = None,
) -> None:
    """Put the rejected rows into quarantine; of an API with their page and their place in it, from 1."""
    connection.execute(
        sql.SQL(
            """
            insert into ops.rejected_records
                (batch_id, source, stream, file, page, line_number, column_name, value, reason, record)
            select
                %(batch_id)s, %(source)s, %(stream)s, %(file)s, placed.page,
                line_number + 1 - coalesce(starts.page_starts[placed.page], 1),
                column_name, value, reason, record
            from {}
            cross join (select %(page_starts)s::bigint[] as page_starts) as starts
            cross join lateral (select width_bucket(line_number, starts.page_starts) as page) as placed
            order by rejected.line_number
            """
        ).format(REJECTED),
        {
            "batch_id": batch_id,
            "source": feed.source,
            "stream": feed.stream,
            "file": path,
            "page_starts": None if page_starts is None else list(page_starts),
        },
    )


def analyze(connection: psycopg.Connection, feed: Feed) -> None:
    """Renew the planner's statistics after a load."""
    if feed.stream == event_months.STREAM:
        event_months.analyze(connection)
    else:
        connection.execute(sql.SQL("analyze {}").format(raw_table(feed)))


def raw_table(feed: Feed) -> sql.Identifier:
    """The table of the feed's stream."""
    return sql.Identifier("raw", feed.stream)


def _parts(feed: Feed, place: Place) -> dict[str, sql.Composable]:
    stream = feed.definition
    names = [column.name for column in stream.columns]
    parts: dict[str, sql.Composable] = {
        "table": raw_table(feed),
        "key": _names(stream.key),
        "names": _names([name for name in names if name in feed.columns]),
        "columns": _names([name for name in names if name != "is_deleted"]),
        "row_key": row_keys.row_key(feed),
        "incoming": row_keys.keyed_rows(feed),
    }
    parts["is_new"] = (
        sql.SQL(_IS_NEW_IN_OTHER_REVISIONS).format(**parts) if place.revision else sql.SQL("true")
    )
    among = sql.SQL("({key}) in (select {key} from {landed})").format(key=parts["key"], landed=LANDED)
    missing = sql.SQL("({key}) not in (select {key} from {landed})").format(key=parts["key"], landed=LANDED)
    parts["stored_incoming"] = sql.SQL(_STORED).format(**parts, chosen=among)
    parts["stored_missing"] = sql.SQL(_STORED).format(**parts, chosen=missing)
    return parts


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)
