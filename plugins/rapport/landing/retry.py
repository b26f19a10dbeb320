"""Rejected rows once more, from the records that were kept: those that pass now are loaded."""

import hashlib
import json
from collections.abc import Iterator

import psycopg
import pyarrow as pa
from psycopg import sql

from rapport.errors import InputError
from rapport.landing import batches, copying, equal_rows, inserts, landed_times, places, quarantine
from rapport.landing.copying import LANDED, REJECTED
from rapport.landing.load import failures_named, feed_lock
from rapport.landing.transaction import LoadCounts
from rapport.sources.chunk import CHUNK_ROWS, Chunk
from rapport.sources.feed import Feed
from rapport.sources.mapping import map_chunk


def retry_rejected(url: str, feed: Feed) -> LoadCounts:
    """Load the feed's rejected rows that pass by now: one batch for each batch that had rejected them.

    Rows that fail again stay where they are, with their reason as it is now. They are `rows_rejected` in the
    counts, and no batch counts them a second time.

    Raises:
        InputError: the feed delivers whole orders or whole snapshots, of which a row alone is no part.
        LoadInProgress, WarehouseUnavailable: as for a load.
    """
    counts = LoadCounts()
    with feed_lock(url, feed) as connection:
        retried = quarantine.batches_to_retry(connection, feed)
        if retried and feed.mode in batches.ORDERED:
            raise InputError(
                f"{feed.name}: it delivers as {feed.mode}, where a row counts with all that came with it; "
                f"`rapport reload {feed.name}` reads its files again"
            )
        for batch_id, file in retried:
            with failures_named(file):
                counts += _retry_batch(connection, feed, batch_id, file)
        if counts.rows_loaded:
            inserts.analyze(connection, feed)
    return counts


def _retry_batch(connection: psycopg.Connection, feed: Feed, batch_id: int, file: str) -> LoadCounts:
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [batches.LANDING_LOCK])
        copying.create_tables(connection, feed)
        tried = rejected = 0
        digest = hashlib.sha256(f"rejected rows of batch {batch_id}".encode())
        for chunk in _chunks(connection, batch_id):
            mapped = map_chunk(feed, chunk)
            copying.copy_chunk(connection, mapped)
            tried += chunk.rows_read
            rejected += mapped.rejected.num_rows
            digest.update(json.dumps(mapped.rows.column("line_number").to_pylist()).encode())
        _renew_reasons(connection)
        if tried == rejected:
            return LoadCounts(tried, 0, 0, rejected)
        retry_id = batches.open_batch(
            connection,
            feed,
            f"{file} (rejected rows of batch {batch_id})",
            digest.hexdigest(),
            rows_read=tried - rejected,
            rows_rejected=0,
        )
        _settle(connection, retry_id, batch_id)
        newest, latest = (
            landed_times.newest_record(connection, feed),
            landed_times.latest_time(connection, feed, retry_id),
        )
        equal_rows.add_to_landed(connection, feed, retry_id)
        place = places.take_place(connection, feed, retry_id, [])
        rows_loaded = inserts.insert_rows(connection, feed, place, is_whole=False)
        equal_rows.remember_duplicates(connection, feed, retry_id)
        batches.close_batch(
            connection, retry_id, rows_loaded=rows_loaded, newest_record_at=newest, latest_time=latest
        )
        return LoadCounts(tried, rows_loaded, tried - rejected - rows_loaded, rejected)


def _chunks(connection: psycopg.Connection, batch_id: int) -> Iterator[Chunk]:
    """The records as rows of the source. A row's line is its rejected_id."""
    with connection.cursor("retried") as cursor:
        cursor.itersize = CHUNK_ROWS
        cursor.execute(
            "select rejected_id, record from ops.rejected_records as rejected where batch_id = %s and "
            + quarantine.RETRIED
            + " order by rejected_id",
            [batch_id],
        )
        while rows := cursor.fetchmany(CHUNK_ROWS):
            names = dict.fromkeys(name for _, record in rows for name in record) or {"": None}
            columns = {
                name: pa.array([record.get(name) for _, record in rows], pa.string()) for name in names
            }
            yield Chunk(pa.RecordBatch.from_pydict(columns), pa.array([row[0] for row in rows], pa.int64()))


def _renew_reasons(connection: psycopg.Connection) -> None:
    connection.execute(
        sql.SQL(
            """
            update ops.rejected_records as stored
            set column_name = rejected.column_name, value = rejected.value, reason = rejected.reason
            from {} as rejected
            where stored.rejected_id = rejected.line_number
            """
        ).format(REJECTED)
    )


def _settle(connection: psycopg.Connection, retry_id: int, batch_id: int) -> None:
    """Mark the rows that pass as taken in, and give them back the lines they stand on, or the
    order that their pages had."""
    connection.execute("update ops.load_batches set retry_of = %s where batch_id = %s", [batch_id, retry_id])
    connection.execute(
        sql.SQL(
            """
            update ops.rejected_records as stored set settled_at = now(), settled_by = %s
            from {} as landed
            where stored.rejected_id = landed.line_number
            """
        ).format(LANDED),
        [retry_id],
    )
    connection.execute(
        sql.SQL(
            """
            update {landed} as landed set line_number = stored.line
            from (
                select
                    rejected_id,
                    case
                        when page is null then line_number
                        else dense_rank() over (order by page, line_number)
                    end as line
                from ops.rejected_records
                where rejected_id in (select line_number from {landed})
            ) as stored
            where stored.rejected_id = landed.line_number
            """
        ).format(landed=LANDED)
    )
