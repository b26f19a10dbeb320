"""The real shop's year in a warehouse, once as it is and once ten times over, each without its last day.

The same customers, the same last day: what a run costs on top of it should not follow the years before.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from rapport import warehouse
from rapport.streams import STREAMS, ColumnType, Stream

LAST_DAY = datetime(2011, 12, 8, tzinfo=UTC)
NEXT_DAY = LAST_DAY + timedelta(days=1)
YEAR = timedelta(days=374)  # the log's length; whole weeks would not keep the days of the week apart either

# Records of their own in each copy; people and products stay the same.
RECORD_IDS = ("order_id", "line_id", "event_id", "ticket_id", "response_id", "refund_id", "consent_id")
# The clicks end in August: moved, the last day has some too.
CLICKS_LATER = timedelta(days=118)


def move_clicks(connection: psycopg.Connection) -> None:
    """Let the clicks be of the months before the last day."""
    connection.execute("update raw.web_events set occurred_at = occurred_at + %s", [CLICKS_LATER])


def repeat_history(connection: psycopg.Connection, times: int) -> None:
    """Let everything have happened in each of the years before, too, with records of their own."""
    for stream in STREAMS.values():
        for copy in range(1, times):
            connection.execute(_copy_of(stream), {"copy": copy, "earlier": -YEAR * copy})


def hold_back_last_day(connection: psycopg.Connection) -> None:
    """Put what happened from LAST_DAY on aside, as if it had not been delivered yet."""
    connection.execute("create schema held_back")
    for stream in STREAMS.values():
        columns = (stream.event_time, *_version_time(stream))
        names = {
            "stream": sql.Identifier(stream.name),
            "is_later": sql.SQL("greatest({}) >= {}").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Literal(LAST_DAY)
            ),
        }
        for statement in (
            "create table held_back.{stream} as select * from raw.{stream} where {is_later}",
            "delete from raw.{stream} where {is_later}",
        ):
            connection.execute(sql.SQL(statement).format(**names))
    # What is loaded lies at the end of a table, and not in holes that only this has left.
    connection.commit()
    connection.autocommit = True
    for stream in STREAMS.values():
        connection.execute(sql.SQL("vacuum full raw.{}").format(sql.Identifier(stream.name)))
    connection.execute("update ops.load_batches set latest_time = %s", [LAST_DAY - timedelta(seconds=1)])


def leave_one_row(connection: psycopg.Connection) -> None:
    """Forget everything but a row of each stream, which is put aside."""
    for stream in STREAMS.values():
        for statement in (
            "truncate raw.{stream}",
            "delete from held_back.{stream} where ctid <> (select min(ctid) from held_back.{stream})",
        ):
            connection.execute(sql.SQL(statement).format(stream=sql.Identifier(stream.name)))


def deliver_last_day(connection: psycopg.Connection) -> None:
    """Deliver what was put aside, a batch a stream."""
    for stream in STREAMS.values():
        names = {"stream": sql.Identifier(stream.name), "name": sql.Literal(stream.name)}
        batch = connection.execute(
            sql.SQL(
                """
                insert into ops.load_batches (
                    batch_id, source, stream, mode, feed, file, file_hash, mapping_hash,
                    rows_read, rows_loaded, rows_duplicate, rows_rejected, started_at, latest_time,
                    delivery
                )
                select
                    (select coalesce(max(batch_id), 0) + 1 from ops.load_batches), 'later', {name}, 'append',
                    {name}, 'last day', 'last day', 'm', greatest(count(*), 1), greatest(count(*), 1), 0, 0,
                    now(), {end}, (select coalesce(max(batch_id), 0) + 1 from ops.load_batches)
                from held_back.{stream}
                returning batch_id
                """
            ).format(**names, end=sql.Literal(NEXT_DAY + timedelta(days=30)))
        ).fetchone()
        assert batch is not None
        connection.execute(sql.SQL("update held_back.{stream} set batch_id = %s").format(**names), batch)
        connection.execute(
            sql.SQL("insert into raw.{stream} select * from held_back.{stream}").format(**names)
        )


def settle(url: str) -> None:
    """Let the server know its tables, write them out and have the system hold its files.

    So that none of it is part of what is measured, nor how fast a disk gives what was not asked for lately.
    """
    with warehouse.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")
        ((folder, database),) = connection.execute(
            """
            select current_setting('data_directory'), oid::text from pg_database
            where datname = current_database()
            """
        ).fetchall()
    for path in Path(folder, "base", database).iterdir():
        # What the server takes away meanwhile need not be read.
        with suppress(FileNotFoundError), path.open("rb") as file:
            while file.read(2**20):
                pass


def _version_time(stream: Stream) -> tuple[str, ...]:
    return tuple(name for name in stream.version if stream.column(name).type is ColumnType.TIMESTAMP)


def _copy_of(stream: Stream) -> sql.Composed:
    names = [column.name for column in stream.columns]
    landing = ["is_deleted"] if "is_deleted" not in names else []
    values = [_copied(stream, name) for name in names]
    return sql.SQL(
        """
        insert into raw.{stream} (
            {columns}, source, mode, payload, row_key, content_hash, batch_id, line_number
        )
        select
            {values}, source, mode, payload,
            md5(row_key::text || %(copy)s)::uuid, md5(content_hash::text || %(copy)s)::uuid,
            batch_id, line_number
        from raw.{stream}
        where not ({is_copy})
        """
    ).format(
        stream=sql.Identifier(stream.name),
        columns=sql.SQL(", ").join(sql.Identifier(name) for name in [*names, *landing]),
        values=sql.SQL(", ").join([*values, *[sql.Identifier(name) for name in landing]]),
        is_copy=sql.SQL("{} like '%%~%%'").format(sql.Identifier(stream.key[0])),
    )


def _copied(stream: Stream, name: str) -> sql.Composable:
    column = sql.Identifier(name)
    if name in RECORD_IDS:
        return sql.SQL("{} || '~' || %(copy)s").format(column)
    if stream.column(name).type is ColumnType.TIMESTAMP:
        return sql.SQL("{} + %(earlier)s").format(column)
    return column
