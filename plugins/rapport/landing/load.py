"""Load what is new in a feed: each file in one transaction, all of it or nothing."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from rapport import warehouse
from rapport.errors import InputError, LoadInProgress, SourceUnavailable, WarehouseUnavailable
from rapport.landing import batches, cursors, held, inserts, keeping, known_files, places, vanished
from rapport.landing.delivery import FileDelivery
from rapport.landing.kept_files import KeptFiles
from rapport.landing.transaction import LoadCounts, Progress, load_delivery
from rapport.sources.feed import Feed
from rapport.sources.origins import reading
from rapport.sources.stored_file import SourceFile
from rapport.streams import Mode

PATIENCE_SECONDS = 10


class FilesRefused(InputError):
    """Some files of a feed cannot be read. The others were loaded, and `counts` says what they held."""

    def __init__(self, sentences: list[str], counts: LoadCounts) -> None:
        super().__init__("\n".join(sentences))
        self.counts = counts


def load_feed(
    url: str,
    feed: Feed,
    *,
    progress: Progress | None = None,
    patience: float = PATIENCE_SECONDS,
    kept: KeptFiles | None = None,
) -> LoadCounts:
    """Load what is new: the feed's files that are not known yet, in the order of their paths, or what its
    database or API has that is later than its cursor.

    Args:
        progress: called with a file's path and how many of its rows were read so far.
        patience: how many seconds to wait for another process that loads the same feed.
        kept: where copies of files are kept, and read from where the original is gone.

    Raises:
        InputError: there are no files. FilesRefused: some cannot be read; the message has a line for each.
        LoadInProgress: another process is loading this feed.
        SourceUnavailable: the feed's database or API does not answer.
        DiskFull: the file that was being loaded left nothing behind.
        WarehouseUnavailable: the warehouse does not answer, or went away; likewise.
    """
    counts = LoadCounts()
    refused: list[str] = []
    with feed_lock(url, feed, patience) as connection:
        if feed.origin is not None:
            try:
                counts += _load_reading(connection, feed, progress)
            except InputError as error:
                refused.append(str(error))
        files = keeping.files_to_load(connection, feed, kept) if feed.origin is None else []
        identified = _identified(connection, feed, files, refused)
        for delivery in _unknown(connection, feed, identified):
            if held.holds_up(connection, feed, delivery.label):
                continue
            try:
                with failures_named(delivery.label):
                    counts += load_delivery(connection, feed, delivery, progress)
            except InputError as error:
                refused.append(str(error))
                keeping.give_up(connection, feed, delivery.file)
            except SourceUnavailable as error:
                refused.append(str(error))
        if counts.rows_loaded:
            inserts.analyze(connection, feed)
        refused += held.sentences(connection, feed)
        vanished.notice(connection, feed, files, identified)
        if kept is not None and feed.origin is None:
            refused += _keep(connection, feed, kept)
    if refused:
        raise FilesRefused(refused, counts)
    return counts


def _keep(connection: psycopg.Connection, feed: Feed, kept: KeptFiles) -> list[str]:
    """Make copies of what was read; why that cannot be done, if so."""
    try:
        with failures_named(kept.location):
            keeping.keep_new(connection, feed, kept)
    except SourceUnavailable as error:
        return [f"{feed.name}: {error}"]
    return []


def _load_reading(connection: psycopg.Connection, feed: Feed, progress: Progress | None) -> LoadCounts:
    """Load what the feed's database or API has that is new."""
    with reading(feed, cursors.read_cursor(connection, feed)) as delivery, failures_named(delivery.label):
        return load_delivery(connection, feed, delivery, progress)


def reload(url: str, feed: Feed) -> str:
    """Let the feed's files be read again by the next load; a table or an API, from its beginning.

    What a file brings then takes the place of what it had brought, which stays in raw and does not count.

    Returns:
        What the next run will do, for people.
    """
    with warehouse.connect(url) as connection:
        batches.supersede(connection, feed)
        cursors.forget_cursor(connection, feed)
    if feed.origin is None:
        return f"{feed.name}: its files will be read again at the next run"
    sentence = f"{feed.name}: it will be read from its beginning at the next run"
    if feed.mode is not Mode.APPEND:
        return sentence
    return (
        f"{sentence}; rows that were loaded keep the values they were first loaded with, because its mode is "
        "append, and rows that are new or were rejected come in"
    )


def _identified(
    connection: psycopg.Connection, feed: Feed, files: list[SourceFile], refused: list[str]
) -> list[FileDelivery]:
    """The files that can be read, each with the hash of its content."""
    identified: list[FileDelivery] = []
    for file in files:
        try:
            with failures_named(file.path):
                identified.append(known_files.identify(connection, feed, file))
        except InputError as error:
            refused.append(str(error))
    return identified


def _unknown(
    connection: psycopg.Connection, feed: Feed, identified: list[FileDelivery]
) -> list[FileDelivery]:
    """The files to load: those that are read again in the order they came in, then new ones by their path.

    A row without a key counts for the file that came first, so that has to be read again first.
    """
    unknown: list[tuple[float, FileDelivery]] = []
    for delivery in identified:
        path = delivery.file.path
        with failures_named(path):
            if keeping.is_copy(delivery.file, [found.file_hash for _, found in unknown]):
                continue
            if batches.is_known(connection, feed, path, delivery.file_hash):
                continue
            earlier = places.earlier_readings(connection, feed, path, delivery.file_hash)
            unknown.append((min((place for _, place in earlier), default=math.inf), delivery))
    return [delivery for _, delivery in sorted(unknown, key=lambda entry: entry[0])]


@contextmanager
def feed_lock(url: str, feed: Feed, patience: float = PATIENCE_SECONDS) -> Iterator[psycopg.Connection]:
    """A connection that loads this feed, and no other does.

    Raises:
        LoadInProgress: another process is loading it.
    """
    with warehouse.connect(url, autocommit=True) as connection:
        with suppress(psycopg.errors.InvalidParameterValue):  # not every system can tell
            # The server notices within a second that a loading process is gone, and gives its lock back.
            connection.execute("set client_connection_check_interval = '1s'")
        connection.execute(
            "select set_config('lock_timeout', %s, false)", [f"{round(patience * 1000) or 1}ms"]
        )
        try:
            connection.execute(
                "select pg_advisory_lock(hashtextextended(%s, %s))",
                ["\x1f".join([feed.source, feed.stream, feed.name]), batches.LANDING_LOCK],
            )
        except psycopg.errors.LockNotAvailable:
            raise LoadInProgress(
                f"{feed.name}: another process is loading this feed; wait for it to end, "
                "or see `rapport status` for what it is doing"
            ) from None
        connection.execute("set lock_timeout = 0")
        yield connection


@contextmanager
def failures_named(label: str) -> Iterator[None]:
    """Turn a warehouse that goes away or has no room left into errors that name what was being loaded."""
    try:
        with warehouse.disk_errors_named(label):
            yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise WarehouseUnavailable(
            f"{label}: the warehouse went away while it was being loaded "
            f"({type(error).__name__}); nothing of it was kept, run again when the warehouse is back"
        ) from error
