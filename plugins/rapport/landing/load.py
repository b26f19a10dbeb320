"""Load what is new in a feed: each file in one transaction, all of it or nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from rapport import warehouse
from rapport.errors import InputError, WarehouseUnavailable
from rapport.landing import batches, copying, inserts
from rapport.sources.feed import Feed
from rapport.sources.files import SourceFile, find_files, read_chunks
from rapport.sources.mapping import map_chunk
from rapport.streams import Mode

Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class LoadCounts:
    """Rows of the files that were read now; read = loaded + duplicate + rejected, always."""

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


class FilesRefused(InputError):
    """Some files of a feed cannot be read. The others were loaded, and `counts` says what they held."""

    def __init__(self, sentences: list[str], counts: LoadCounts) -> None:
        super().__init__("\n".join(sentences))
        self.counts = counts


def load_feed(url: str, feed: Feed, *, progress: Progress | None = None) -> LoadCounts:
    """Load the feed's files that are not known yet, in the order of their paths.

    `progress` is called with a file's path and how many of its rows were read so far.

    Raises:
        InputError: there are no files. FilesRefused: some cannot be read; the message has a line for each.
        DiskFull: the file that was being loaded left nothing behind.
        WarehouseUnavailable: the warehouse does not answer, or went away; likewise.
    """
    counts = LoadCounts()
    refused: list[str] = []
    with warehouse.connect(url) as connection:
        connection.autocommit = True
        for file in find_files(feed):
            try:
                with warehouse.disk_errors_named(file.path):
                    counts += _load_file(connection, feed, file, progress)
            except InputError as error:
                refused.append(str(error))
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise WarehouseUnavailable(
                    f"{file.path}: the warehouse went away while the file was being loaded "
                    f"({type(error).__name__}); nothing of it was kept, run again when the warehouse is back"
                ) from error
        if counts.rows_loaded:
            connection.execute(sql.SQL("analyze {}").format(inserts.raw_table(feed)))
    if refused:
        raise FilesRefused(refused, counts)
    return counts


def reload(url: str, feed: Feed) -> None:
    """Let the feed's files be read again by the next load. What they brought stays in raw."""
    with warehouse.connect(url) as connection:
        batches.supersede(connection, feed)


def _load_file(
    connection: psycopg.Connection, feed: Feed, file: SourceFile, progress: Progress | None
) -> LoadCounts:
    fingerprint = file.fingerprint()
    file_hash = file.content_hash()
    if batches.is_known(connection, feed, file.path, file_hash):
        return LoadCounts()
    with connection.transaction() as transaction:
        connection.execute("set local work_mem = '64MB'")  # for the sorts before the insert
        rows_read, rows_rejected = _copy_file(connection, feed, file, progress)
        if file.fingerprint() != fingerprint:
            raise InputError(
                f"{file.path} was written to while it was being read; run again when it is complete"
            )
        connection.execute("select pg_advisory_xact_lock(%s)", [batches.LANDING_LOCK])
        if batches.is_known(connection, feed, file.path, file_hash):
            raise psycopg.Rollback(transaction)  # another process was faster
        batch_id = batches.open_batch(
            connection, feed, file.path, file_hash, rows_read=rows_read, rows_rejected=rows_rejected
        )
        rows_loaded = inserts.insert_rows(connection, feed, batch_id, is_whole=rows_rejected == 0)
        if feed.mode is Mode.APPEND:
            before = batches.rejected_before(connection, feed, file_hash, batch_id)
            if before is not None and rows_loaded > before:
                raise InputError(_would_count_twice(feed, file, rows_loaded - before))
        inserts.insert_rejected(connection, feed, batch_id, file.path)
        batches.close_batch(
            connection,
            batch_id,
            rows_loaded=rows_loaded,
            newest_record_at=inserts.newest_record(connection, feed),
            latest_time=inserts.latest_time(connection, feed, batch_id),
        )
        return LoadCounts(rows_read, rows_loaded, rows_read - rows_loaded - rows_rejected, rows_rejected)
    return LoadCounts()


def _would_count_twice(feed: Feed, file: SourceFile, rows: int) -> str:
    return (
        f"{file.path}: it was loaded with another mapping of {feed.name}, and with this one {rows} of its "
        "rows would be there a second time, because appended rows are never replaced. Undo what the mapping "
        "changes in rows that were loaded, or leave it for these files and write a second source file for "
        "new ones"
    )


def _copy_file(
    connection: psycopg.Connection, feed: Feed, file: SourceFile, progress: Progress | None
) -> tuple[int, int]:
    rows_read = rows_rejected = 0
    copying.create_tables(connection, feed)
    for chunk in read_chunks(feed, file):
        mapped = map_chunk(feed, chunk)
        copying.copy_chunk(connection, mapped)
        rows_read += chunk.rows_read
        rows_rejected += mapped.rejected.num_rows
        if progress is not None:
            progress(file.path, rows_read)
    return rows_read, rows_rejected
