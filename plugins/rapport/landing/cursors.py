"""How far a feed was read, for sources that are asked for what is new."""

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from rapport.sources.feed import Feed


def read_cursor(connection: psycopg.Connection, feed: Feed) -> Any:
    """What `save_cursor` kept for the feed last; None before the first reading."""
    row = connection.execute(
        "select cursor from ops.source_cursors where source = %s and stream = %s and feed = %s",
        [feed.source, feed.stream, feed.name],
    ).fetchone()
    return None if row is None else row[0]


def save_cursor(connection: psycopg.Connection, feed: Feed, cursor: Any) -> None:
    """Keep the cursor (any JSON) in the transaction that loads what was read up to it."""
    connection.execute(
        """
        insert into ops.source_cursors (source, stream, feed, cursor, updated_at)
        values (%s, %s, %s, %s, now())
        on conflict (source, stream, feed) do update
        set cursor = excluded.cursor, updated_at = excluded.updated_at
        """,
        [feed.source, feed.stream, feed.name, Jsonb(cursor)],
    )


def forget_cursor(connection: psycopg.Connection, feed: Feed) -> None:
    """Let the next reading begin at the beginning."""
    connection.execute(
        "delete from ops.source_cursors where source = %s and stream = %s and feed = %s",
        [feed.source, feed.stream, feed.name],
    )
