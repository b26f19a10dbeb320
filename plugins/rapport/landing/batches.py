"""The batch ledger: which files were read, with which mapping, and what became of their rows."""

from datetime import datetime

import psycopg

from rapport.sources.feed import Feed
from rapport.streams import Mode

LANDING_LOCK = 0x7261_7071  # one file at a time gets a batch id, so that ids commit in order

# Here the newest delivery wins, so the order of deliveries matters.
ORDERED = (Mode.REPLACE_ORDER, Mode.SNAPSHOT)


def is_known(connection: psycopg.Connection, feed: Feed, path: str, file_hash: str) -> bool:
    """Whether these bytes were read for the feed, with its mapping as it is now.

    Where the newest delivery wins, content that comes back is a delivery again: a file is known only if it is
    also what was last read under its path.
    """
    row = connection.execute(
        """
        select
            exists (
                select from ops.load_batches
                where source = %(source)s and stream = %(stream)s and feed = %(feed)s
                    and file_hash = %(file_hash)s and mapping_hash = %(mapping_hash)s
                    and superseded_at is null
                    and (state <> 'held' or (accepted_at is null and held_limits = %(limits)s))
            ),
            (
                select file_hash from ops.load_batches
                where source = %(source)s and stream = %(stream)s and feed = %(feed)s and file = %(file)s
                order by batch_id desc
                limit 1
            )
        """,
        {
            **_identity(feed),
            "file_hash": file_hash,
            "mapping_hash": feed.mapping_hash,
            "file": path,
            "limits": str(feed.limits),
        },
    ).fetchone()
    assert row is not None
    return bool(row[0]) and (feed.mode not in ORDERED or row[1] == file_hash)


def open_batch(
    connection: psycopg.Connection,
    feed: Feed,
    path: str,
    file_hash: str,
    *,
    rows_read: int,
    rows_rejected: int,
) -> int:
    """Take the next batch id and write its row. Needs the landing lock; `close_batch` sets its counts."""
    identity = {**_identity(feed), "file_hash": file_hash, "mapping_hash": feed.mapping_hash}
    connection.execute(
        """
        update ops.load_batches set superseded_at = now()
        where source = %(source)s and stream = %(stream)s and feed = %(feed)s
            and superseded_at is null
            and (
                (file_hash = %(file_hash)s and mapping_hash = %(mapping_hash)s)
                or (state = 'held' and (file_hash = %(file_hash)s or file = %(file)s))
            )
        """,
        {**identity, "file": path},
    )
    row = connection.execute(
        """
        insert into ops.load_batches (
            batch_id, delivery, source, stream, mode, feed, file, file_hash, mapping_hash,
            rows_read, rows_loaded, rows_duplicate, rows_rejected, started_at
        )
        select
            1 + coalesce(max(batch_id), 0), 1 + coalesce(max(batch_id), 0),
            %(source)s, %(stream)s, %(mode)s, %(feed)s, %(file)s,
            %(file_hash)s, %(mapping_hash)s, %(rows_read)s, 0,
            %(rows_read)s - %(rows_rejected)s, %(rows_rejected)s, now()
        from ops.load_batches
        returning batch_id
        """,
        {
            **identity,
            "mode": feed.mode.value,
            "file": path,
            "rows_read": rows_read,
            "rows_rejected": rows_rejected,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def close_batch(
    connection: psycopg.Connection,
    batch_id: int,
    *,
    rows_loaded: int,
    newest_record_at: datetime | None,
    latest_time: datetime | None,
) -> None:
    """Set what became of the rows: those that were neither loaded nor rejected are duplicates."""
    connection.execute(
        """
        update ops.load_batches
        set
            rows_loaded = %(rows_loaded)s,
            rows_duplicate = rows_read - rows_rejected - %(rows_loaded)s,
            newest_record_at = %(newest_record_at)s,
            latest_time = %(latest_time)s,
            loaded_at = clock_timestamp()
        where batch_id = %(batch_id)s
        """,
        {
            "batch_id": batch_id,
            "rows_loaded": rows_loaded,
            "newest_record_at": newest_record_at,
            "latest_time": latest_time,
        },
    )


def supersede(connection: psycopg.Connection, feed: Feed) -> int:
    """Let every file of the feed be read again; how many batches that concerns. What is held stays held until
    its file was read again."""
    return connection.execute(
        """
        update ops.load_batches
        set
            superseded_at = case when state = 'held' then null else now() end,
            held_limits = null
        where source = %(source)s and stream = %(stream)s and feed = %(feed)s and superseded_at is null
        """,
        _identity(feed),
    ).rowcount


def _identity(feed: Feed) -> dict[str, str]:
    return {"source": feed.source, "stream": feed.stream, "feed": feed.name}
