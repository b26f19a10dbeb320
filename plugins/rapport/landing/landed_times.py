"""The times of a batch's rows, for the ledger."""

from datetime import datetime

import psycopg
from psycopg import sql

from rapport.landing.copying import LANDED
from rapport.sources.feed import Feed
from rapport.streams import ColumnType, Mode


def newest_record(connection: psycopg.Connection, feed: Feed) -> datetime | None:
    """The latest event time among the landed rows; None where there are none."""
    row = connection.execute(
        sql.SQL("select max({}) from {}").format(sql.Identifier(feed.definition.event_time), LANDED)
    ).fetchone()
    return row[0] if row is not None else None


def latest_time(connection: psycopg.Connection, feed: Feed, batch_id: int) -> datetime | None:
    """The latest time in any column of the landed rows and of the batch's tombstones; None without any.

    The agreed end of a consent lies in the future and hides nothing, so it is left out.
    """
    times = [
        column.name
        for column in feed.definition.columns
        if column.type is ColumnType.TIMESTAMP and column.name != "expires_at"
    ]
    latest = sql.SQL("select greatest({}) as latest_time from {}")
    parts = [latest.format(_greatest([name for name in times if name in feed.columns]), LANDED)]
    if feed.mode is Mode.SNAPSHOT:
        tombstones = sql.SQL("{} where batch_id = {} and line_number = 0").format(
            sql.Identifier("raw", feed.stream), batch_id
        )
        parts.append(latest.format(_greatest(times), tombstones))
    row = connection.execute(
        sql.SQL("select max(latest_time) from ({}) as times").format(sql.SQL(" union all ").join(parts))
    ).fetchone()
    return row[0] if row is not None else None


def _greatest(times: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("max({})").format(sql.Identifier(name)) for name in times)
