"""Held batches: nothing of them is in raw until a person accepts them or what was wrong is mended."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from rapport.landing import batches
from rapport.sources.feed import Feed


@dataclass(frozen=True)
class HeldBatch:
    """A row of `ops.load_batches` that waits for a decision. `reason` names the file."""

    batch_id: int
    feed: str
    source: str
    stream: str
    file: str
    rows_held: int
    reason: str
    held_at: datetime
    accepted_at: datetime | None


def hold(
    connection: psycopg.Connection, feed: Feed, path: str, file_hash: str, *, rows_held: int, reason: str
) -> None:
    """Note that the file is not loaded, and why. Needs the landing lock."""
    batch_id = batches.open_batch(connection, feed, path, file_hash, rows_read=0, rows_rejected=0)
    connection.execute(
        """
        update ops.load_batches
        set state = 'held', state_reason = %s, rows_held = %s, held_limits = %s
        where batch_id = %s
        """,
        [reason, rows_held, str(feed.limits), batch_id],
    )


def is_held(connection: psycopg.Connection, feed: Feed, file_hash: str) -> bool:
    """Whether this content waits for a decision."""
    row = connection.execute(
        """
        select exists (
            select from ops.load_batches
            where source = %s and stream = %s and feed = %s and file_hash = %s
                and state = 'held' and superseded_at is null
        )
        """,
        [feed.source, feed.stream, feed.name, file_hash],
    ).fetchone()
    return row is not None and row[0]


def is_accepted(connection: psycopg.Connection, feed: Feed, path: str, file_hash: str) -> bool:
    """Whether a person wants this file loaded as it is; of a source without files, the next read of it."""
    row = connection.execute(
        """
        select exists (
            select from ops.load_batches
            where source = %s and stream = %s and feed = %s and (file_hash = %s or file = %s)
                and state = 'held' and superseded_at is null and accepted_at is not null
        )
        """,
        [feed.source, feed.stream, feed.name, file_hash, path],
    ).fetchone()
    return row is not None and row[0]


def holds_up(connection: psycopg.Connection, feed: Feed, path: str) -> bool:
    """Whether the file waits for a decision on another: where the newest delivery wins, order matters."""
    return feed.mode in batches.ORDERED and any(
        batch.file != path and batch.accepted_at is None for batch in held_batches(connection, feed)
    )


def held_batches(connection: psycopg.Connection, feed: Feed | None = None) -> list[HeldBatch]:
    """The batches that wait, oldest first; of one feed or of all."""
    with connection.cursor(row_factory=class_row(HeldBatch)) as cursor:
        return cursor.execute(
            """
            select
                batch_id, feed, source, stream, file, rows_held, state_reason as reason,
                loaded_at as held_at, accepted_at
            from ops.load_batches
            where state = 'held' and superseded_at is null
                and (%(feed)s::text is null
                    or (feed = %(feed)s and source = %(source)s and stream = %(stream)s))
            order by batch_id
            """,
            {
                "feed": feed.name if feed else None,
                "source": feed.source if feed else None,
                "stream": feed.stream if feed else None,
            },
        ).fetchall()


def sentences(connection: psycopg.Connection, feed: Feed) -> list[str]:
    """Why the feed is not whole: a sentence for each held batch, with what to type."""
    return [
        f"{batch.reason}. Until then it is held; `rapport held accept {feed.name}` loads it as it is, "
        f"`rapport held drop {feed.name}` leaves it out"
        for batch in held_batches(connection, feed)
    ]


def accept(connection: psycopg.Connection, feed: str) -> list[HeldBatch]:
    """Let the next load take the feed's held batches as they are; which those are."""
    return _decide(connection, feed, "accepted_at = now()")


def drop(connection: psycopg.Connection, feed: str) -> list[HeldBatch]:
    """Leave the feed's held batches out for good; which those are."""
    return _decide(connection, feed, "state = 'dropped'")


def _decide(connection: psycopg.Connection, feed: str, change: LiteralString) -> list[HeldBatch]:
    chosen = [batch for batch in held_batches(connection) if batch.feed == feed]
    connection.execute(
        "update ops.load_batches set " + change + " where batch_id = any(%s)",
        [[batch.batch_id for batch in chosen]],
    )
    return chosen
