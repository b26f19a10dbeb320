"""Columns that a source did not have before: kept in `payload`, remembered, and reported once."""

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from rapport.sources.feed import Feed


@dataclass(frozen=True)
class NewColumn:
    """A column that the feed has had since `file`, and not in its first batch."""

    feed: str
    column: str
    file: str


def remember_columns(
    connection: psycopg.Connection, feed: Feed, batch_id: int, columns: Iterable[str]
) -> None:
    """Note the columns that the feed has had for the first time. Those of its first batch are not new."""
    connection.execute(
        """
        insert into ops.source_columns (source, stream, feed, column_name, first_batch_id, is_new)
        select
            %(source)s, %(stream)s, %(feed)s, column_name, %(batch_id)s,
            exists (
                select from ops.source_columns
                where source = %(source)s and stream = %(stream)s and feed = %(feed)s
            )
        from unnest(%(columns)s::text[]) as column_name
        where column_name <> ''
        on conflict do nothing
        """,
        {
            "source": feed.source,
            "stream": feed.stream,
            "feed": feed.name,
            "batch_id": batch_id,
            "columns": sorted(columns),
        },
    )


def new_columns(connection: psycopg.Connection, *, after_batch: int, up_to_batch: int) -> list[NewColumn]:
    """The columns that came with the batches after the one and up to the other, by feed and name."""
    with connection.cursor(row_factory=class_row(NewColumn)) as cursor:
        return cursor.execute(
            """
            select source_columns.feed, source_columns.column_name as column, load_batches.file
            from ops.source_columns
            inner join ops.load_batches on source_columns.first_batch_id = load_batches.batch_id
            where source_columns.is_new
                and source_columns.first_batch_id > %s and source_columns.first_batch_id <= %s
            order by 1, 2
            """,
            [after_batch, up_to_batch],
        ).fetchall()
