"""What holds a batch back before it is loaded: too many rejected rows, or an unusual size."""

import psycopg
from psycopg import sql

from rapport.landing.copying import REJECTED
from rapport.sources.feed import Feed

# Rows that may be rejected whatever their share: one bad row of three says nothing about a feed.
ALWAYS_TOLERATED = 10
# The usual size is the median of so many earlier batches; with fewer there is none.
BATCHES = 10
FEWEST_BATCHES = 5
# Feeds that usually bring fewer rows than this vary too much to be judged by size.
SMALLEST_USUAL_SIZE = 100


def reason_to_hold(
    connection: psycopg.Connection, feed: Feed, path: str, *, rows_read: int, rows_rejected: int
) -> str | None:
    """Why the rows that were copied should not be loaded, naming the file; None if they may.

    Reads the temporary table of rejected rows, and the ledger for the feed's usual size.
    """
    return _too_many_rejected(connection, feed, path, rows_read, rows_rejected) or _unusual_size(
        connection, feed, path, rows_read
    )


def _too_many_rejected(
    connection: psycopg.Connection, feed: Feed, path: str, rows_read: int, rows_rejected: int
) -> str | None:
    limit = feed.limits.rejected
    if limit is None or rows_rejected <= max(ALWAYS_TOLERATED, limit * rows_read):
        return None
    reasons = connection.execute(
        sql.SQL(
            "select reason, count(*), min(line_number) from {} group by reason"
            " order by count(*) desc, reason limit 3"
        ).format(REJECTED)
    ).fetchall()
    named = ", and ".join(
        f"{reason} ({count:,} {'row' if count == 1 else 'rows'}, line {line}{' first' if count > 1 else ''})"
        for reason, count, line in reasons
    )
    return (
        f"{path}: {rows_rejected:,} of {rows_read:,} rows would be rejected "
        f"({rows_rejected / rows_read:.1%}, and the limit is {limit:.1%}): {named}. Mend the mapping or the "
        "file, or raise limits.rejected in the source file"
    )


def _unusual_size(connection: psycopg.Connection, feed: Feed, path: str, rows_read: int) -> str | None:
    usual = usual_size(connection, feed)
    if usual is None or usual < SMALLEST_USUAL_SIZE:
        return None
    fewest, most = feed.limits.fewest, feed.limits.most
    if fewest is not None and rows_read < fewest * usual:
        than = f"fewer than {fewest:g} times"
    elif most is not None and rows_read > most * usual:
        than = f"more than {most:g} times"
    else:
        return None
    return (
        f"{path}: it has {rows_read:,} rows, {than} the {usual:,.0f} that {feed.name} usually brings. If it "
        "is whole, accept it; if such sizes are normal, set limits.rows in the source file"
    )


def usual_size(connection: psycopg.Connection, feed: Feed) -> float | None:
    """The median of rows read in the feed's last batches; None before there are enough of them."""
    row = connection.execute(
        """
        select percentile_cont(0.5) within group (order by rows_read), count(*)
        from (
            select rows_read from ops.load_batches
            where source = %s and stream = %s and feed = %s
                and state = 'loaded' and retry_of is null and superseded_at is null
            order by batch_id desc
            limit %s
        ) as last_batches
        """,
        [feed.source, feed.stream, feed.name, BATCHES],
    ).fetchone()
    return row[0] if row is not None and row[1] >= FEWEST_BATCHES else None
