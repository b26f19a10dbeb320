"""How old each feed's newest record is at a run's as_of, and whether that is within the feed's limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import psycopg

from rapport.sources.feed import Feed


class FreshnessState(StrEnum):
    """In dbt's words; `none` where the feed has no limits."""

    PASS = "pass"
    WARN = "warn"
    ERROR = "error"
    NONE = "none"


@dataclass(frozen=True)
class Freshness:
    """A feed as a run saw it. `newest_record_at` is None before its first record."""

    feed: str
    source: str
    stream: str
    newest_record_at: datetime | None
    warn_after: timedelta | None
    error_after: timedelta | None
    state: FreshnessState


def newest_records(connection: psycopg.Connection, max_batch_id: int | None) -> dict[str, datetime | None]:
    """By feed, the time of its newest record in the batches that a run may see."""
    return dict(
        connection.execute(
            """
            select feed, max(newest_record_at) from ops.load_batches
            where batch_id <= %s group by feed
            """,
            [max_batch_id],
        ).fetchall()
    )


def assess(feeds: Sequence[Feed], newest: Mapping[str, datetime | None], as_of: datetime) -> list[Freshness]:
    """Each feed against its limits. A feed with limits and no record yet is past them."""
    return [_assess(feed, newest.get(feed.name), as_of) for feed in feeds]


def record(
    connection: psycopg.Connection, feeds: Sequence[Feed], *, run_id: int, as_of: datetime, max_batch_id: int
) -> None:
    """Note in the ledger how fresh the feeds are in this run."""
    found = assess(feeds, newest_records(connection, max_batch_id), as_of)
    connection.execute("delete from ops.source_freshness where run_id = %s", [run_id])
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into ops.source_freshness (
                run_id, feed, source, stream, newest_record_at, warn_after, error_after, state
            )
            values (%s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    run_id,
                    fresh.feed,
                    fresh.source,
                    fresh.stream,
                    fresh.newest_record_at,
                    fresh.warn_after,
                    fresh.error_after,
                    fresh.state.value,
                )
                for fresh in found
            ],
        )


def of_run(connection: psycopg.Connection, run_id: int) -> list[Freshness]:
    """What the ledger says of the run, by feed."""
    rows = connection.execute(
        """
        select feed, source, stream, newest_record_at, warn_after, error_after, state
        from ops.source_freshness
        where run_id = %s
        order by feed
        """,
        [run_id],
    ).fetchall()
    return [
        Freshness(feed, source, stream, newest, warn_after, error_after, FreshnessState(state))
        for feed, source, stream, newest, warn_after, error_after, state in rows
    ]


def _assess(feed: Feed, newest_at: datetime | None, as_of: datetime) -> Freshness:
    limits = feed.freshness
    warn_after = limits.warn_after if limits else None
    error_after = limits.error_after if limits else None

    def is_past(limit: timedelta | None) -> bool:
        return limit is not None and (newest_at is None or as_of - newest_at > limit)

    if warn_after is None and error_after is None:
        state = FreshnessState.NONE
    elif is_past(error_after):
        state = FreshnessState.ERROR
    else:
        state = FreshnessState.WARN if is_past(warn_after) else FreshnessState.PASS
    return Freshness(feed.name, feed.source, feed.stream, newest_at, warn_after, error_after, state)
