"""One delivery → one batch: its rows, its ledger row and its cursor commit together, or nothing does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg

from rapport.landing import (
    batches,
    copying,
    cursors,
    drift,
    equal_rows,
    guards,
    held,
    inserts,
    landed_times,
    places,
    quarantine,
)
from rapport.landing.ahead import one_ahead
from rapport.landing.delivery import Delivery, fraction_read
from rapport.sources.feed import Feed
from rapport.sources.mapping import REJECTED, map_chunk

# Called with what is being loaded, how many of its rows were read, and which part of it that is, where known.
Progress = Callable[[str, int, float | None], None]


@dataclass(frozen=True)
class LoadCounts:
    """Rows that were read now; read = loaded + duplicate + rejected, always."""

    rows_read: int = 0
    rows_loaded: int = 0
    rows_duplicate: int = 0
    rows_rejected: int = 0

    def __add__(self, other: "LoadCounts") -> "LoadCounts":
        return LoadCounts(
            self.rows_read + other.rows_read,
            self.rows_loaded + other.rows_loaded,
            self.rows_duplicate + other.rows_duplicate,
            self.rows_rejected + other.rows_rejected,
        )


def load_delivery(
    connection: psycopg.Connection, feed: Feed, delivery: Delivery, progress: Progress | None = None
) -> LoadCounts:
    """Load what is delivered, unless the same content was loaded before. The connection is in autocommit.

    Raises:
        InputError: it cannot be trusted as a whole; nothing of it was kept.
    """
    with connection.transaction() as transaction:
        connection.execute("set local work_mem = '64MB'")  # for the sorts before the insert
        rows_read, rows_rejected, columns = _copy(connection, feed, delivery, progress)
        file_hash = delivery.content_hash()
        connection.execute("select pg_advisory_xact_lock(%s)", [batches.LANDING_LOCK])
        if batches.is_known(connection, feed, delivery.label, file_hash):
            raise psycopg.Rollback(transaction)
        if not held.is_accepted(connection, feed, delivery.label, file_hash):
            reason = guards.reason_to_hold(
                connection, feed, delivery.label, rows_read=rows_read, rows_rejected=rows_rejected
            )
            if reason is not None:
                held.hold(connection, feed, delivery.label, file_hash, rows_held=rows_read, reason=reason)
                return LoadCounts()
        batch_id = batches.open_batch(
            connection, feed, delivery.label, file_hash, rows_read=rows_read, rows_rejected=rows_rejected
        )
        rows_loaded = _insert(connection, feed, batch_id, delivery.label, file_hash, rows_rejected == 0)
        inserts.insert_rejected(connection, feed, batch_id, delivery.label, delivery.page_starts)
        if rows_rejected:
            equal_rows.remember_duplicates(connection, feed, batch_id)
        quarantine.settle_earlier(connection, feed, file_hash, batch_id)
        drift.remember_columns(connection, feed, batch_id, columns)
        _save_cursor(connection, feed, delivery)
        batches.close_batch(
            connection,
            batch_id,
            rows_loaded=rows_loaded,
            newest_record_at=landed_times.newest_record(connection, feed),
            latest_time=landed_times.latest_time(connection, feed, batch_id),
        )
        return LoadCounts(rows_read, rows_loaded, rows_read - rows_loaded - rows_rejected, rows_rejected)
    if not held.is_held(connection, feed, file_hash):
        _save_cursor(connection, feed, delivery)  # known content may end at a later place
    return LoadCounts()


def _insert(
    connection: psycopg.Connection, feed: Feed, batch_id: int, label: str, file_hash: str, is_whole: bool
) -> int:
    """Put the landed rows into raw; where the file was read before, in place of what it had brought."""
    earlier = places.earlier_readings(connection, feed, label, file_hash, before=batch_id)
    if earlier:
        with connection.transaction() as attempt:
            place = places.take_place(connection, feed, batch_id, earlier)
            rows_loaded = inserts.insert_rows(connection, feed, place, is_whole=is_whole)
            places.refuse_double_counts(connection, feed, place, label, rows_loaded)
            if places.keeps_all(connection, feed, place):
                raise psycopg.Rollback(attempt)
            return rows_loaded
        if feed.mode in batches.ORDERED:
            return 0
    place = places.take_place(connection, feed, batch_id, earlier, replaces=False)
    return inserts.insert_rows(connection, feed, place, is_whole=is_whole)


@dataclass(frozen=True)
class _Written:
    """A chunk that is ready for COPY."""

    rows_read: int
    rows_rejected: int
    source_columns: list[str]
    columns: list[str]
    rows: memoryview
    rejected: memoryview


def _copy(
    connection: psycopg.Connection, feed: Feed, delivery: Delivery, progress: Progress | None
) -> tuple[int, int, set[str]]:
    rows_read = rows_rejected = 0
    columns: set[str] = set()
    copying.create_tables(connection, feed)
    with one_ahead(_written(feed, delivery)) as written:
        for chunk in written:
            copying.copy_csv(connection, copying.LANDED, chunk.columns, chunk.rows)
            copying.copy_csv(connection, copying.REJECTED, REJECTED.names, chunk.rejected)
            rows_read += chunk.rows_read
            rows_rejected += chunk.rows_rejected
            columns.update(chunk.source_columns)
            if progress is not None:
                progress(delivery.label, rows_read, fraction_read(delivery))
    return rows_read, rows_rejected, columns


def _written(feed: Feed, delivery: Delivery) -> Iterator[_Written]:
    for chunk in delivery.chunks():
        mapped = map_chunk(feed, chunk)
        yield _Written(
            chunk.rows_read,
            mapped.rejected.num_rows,
            chunk.rows.schema.names,
            mapped.rows.schema.names,
            copying.write_csv(mapped.rows),
            copying.write_csv(mapped.rejected),
        )


def _save_cursor(connection: psycopg.Connection, feed: Feed, delivery: Delivery) -> None:
    cursor = delivery.cursor()
    if cursor is not None:
        cursors.save_cursor(connection, feed, cursor)
