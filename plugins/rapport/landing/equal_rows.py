"""Rows without a key are told apart by their number among the equal rows of their file.

A row that was rejected comes after those that its file has brought: for a retry they have to be found again.
"""

import psycopg
from psycopg import sql

from rapport.landing import inserts, row_keys
from rapport.landing.copying import LANDED
from rapport.sources.feed import Feed
from rapport.streams import Mode


def remember_duplicates(connection: psycopg.Connection, feed: Feed, batch_id: int) -> None:
    """Note which landed rows were there already, from other files. Needed where rows were rejected."""
    if not _is_concerned(feed):
        return
    connection.execute(
        sql.SQL(
            """
            insert into ops.duplicate_rows (batch_id, row_key)
            select %(batch_id)s, row_key
            from {table}
            where source = %(source)s and batch_id <> %(batch_id)s
                and row_key in (select row_key from ({landed}) as landed)
                and batch_id not in (select batch_id from ops.load_batches where replaced_by is not null)
            """
        ).format(table=inserts.raw_table(feed), landed=row_keys.keyed_rows(feed)),
        {"batch_id": batch_id, "source": feed.source},
    )


def add_to_landed(connection: psycopg.Connection, feed: Feed, retry_id: int) -> None:
    """Put the equal rows that the file has brought already beside the retried ones.

    They are in raw and are not loaded again; with them the retried rows get the numbers that come after.
    """
    if not _is_concerned(feed):
        return
    names = sql.SQL(", ").join(
        sql.Identifier(column.name) for column in feed.definition.columns if column.name in feed.columns
    )
    connection.execute(
        sql.SQL(
            """
            with same_file as (
                select loaded.batch_id
                from ops.load_batches as retry
                inner join ops.load_batches as retried on retry.retry_of = retried.batch_id
                inner join ops.load_batches as reading
                    on retried.source = reading.source and retried.stream = reading.stream
                    and retried.feed = reading.feed and retried.file_hash = reading.file_hash
                inner join ops.load_batches as loaded
                    on reading.batch_id in (loaded.batch_id, loaded.retry_of)
                where retry.batch_id = %(retry_id)s and loaded.replaced_by is null
            )

            insert into {landed} (line_number, {names}, payload)
            select 0, {names}, payload
            from {table}
            where source = %(source)s and mode = %(mode)s
                and content_hash in (select content_hash from ({hashed}) as hashed)
                and batch_id not in (select batch_id from ops.load_batches where replaced_by is not null)
                and (
                    batch_id in (select batch_id from same_file)
                    or row_key in (
                        select row_key from ops.duplicate_rows
                        where batch_id in (select batch_id from same_file)
                    )
                )
            """
        ).format(
            landed=LANDED, names=names, table=inserts.raw_table(feed), hashed=row_keys.hashed_rows(feed)
        ),
        {"retry_id": retry_id, "source": feed.source, "mode": feed.mode.value},
    )


def _is_concerned(feed: Feed) -> bool:
    return feed.mode is Mode.APPEND and row_keys.counts_occurrences(feed)
