"""Rejected rows that are still out: what they are, and how they come to be in."""

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from rapport.sources.feed import Feed


@dataclass(frozen=True)
class RejectedReason:
    """Rows of one feed that are out for one reason, with one of them as a sample.

    `line` is the record's number where there is no file: in the answer `page` of an API, or among what a
    database gave. `value` is masked where it may be personal.
    """

    feed: str
    source: str
    stream: str
    reason: str
    column: str | None
    rows: int
    file: str
    page: int | None
    line: int
    value: str | None


def rejected_reasons(connection: psycopg.Connection, name: str | None = None) -> list[RejectedReason]:
    """Why rows are out, the most frequent reason of each feed first; of one feed or source, or of all."""
    with connection.cursor(row_factory=class_row(RejectedReason)) as cursor:
        return cursor.execute(
            """
            with waiting as (
                select
                    load_batches.feed, rejected_records.*,
                    row_number() over (
                        partition by load_batches.feed, rejected_records.reason order by rejected_id desc
                    ) as place,
                    count(*) over (partition by load_batches.feed, rejected_records.reason) as rows
                from ops.rejected_records
                inner join ops.load_batches using (batch_id)
                where settled_at is null
                    and (%(name)s::text is null or %(name)s in (load_batches.feed, load_batches.source))
            )

            select
                feed, source, stream, reason, column_name as column, rows, file, page,
                line_number as line, value
            from waiting
            where place = 1
            order by feed, rows desc, reason
            """,
            {"name": name},
        ).fetchall()


def waiting_rows(connection: psycopg.Connection) -> dict[str, int]:
    """By feed, how many rows are out."""
    return dict(
        connection.execute(
            """
            select feed, count(*)
            from ops.rejected_records
            inner join ops.load_batches using (batch_id)
            where settled_at is null
            group by feed
            order by feed
            """
        ).fetchall()
    )


def settle_earlier(connection: psycopg.Connection, feed: Feed, file_hash: str, batch_id: int) -> None:
    """Let the rows that earlier readings of the same file rejected stand in this batch alone."""
    connection.execute(
        """
        update ops.rejected_records set settled_at = now(), settled_by = %(batch_id)s
        where settled_at is null and source = %(source)s and stream = %(stream)s
            and batch_id in (
                select batch_id from ops.load_batches
                where source = %(source)s and stream = %(stream)s and feed = %(feed)s
                    and file_hash = %(file_hash)s and batch_id < %(batch_id)s
            )
        """,
        {
            "source": feed.source,
            "stream": feed.stream,
            "feed": feed.name,
            "file_hash": file_hash,
            "batch_id": batch_id,
        },
    )


def batches_to_retry(connection: psycopg.Connection, feed: Feed) -> list[tuple[int, str]]:
    """(batch_id, file) of the batches with rows that are out and can be read, oldest first."""
    return connection.execute(
        """
        select batch_id, load_batches.file
        from ops.load_batches
        where source = %s and stream = %s and feed = %s
            and exists (
                select from ops.rejected_records as rejected
                where rejected.batch_id = load_batches.batch_id and """
        + RETRIED
        + """
            )
        order by batch_id
        """,
        [feed.source, feed.stream, feed.name],
    ).fetchall()


# A row without a column was none: its text cannot be cut into columns without its file. One with a NUL
# character is not kept as it was.
RETRIED: LiteralString = (
    "rejected.settled_at is null and rejected.column_name is not null"
    " and rejected.reason not like '%%holds a NUL character%%'"
)
