"""Chunks → temporary tables, by COPY. The tables are the transaction's own and end with it."""

import io
from collections.abc import Sequence

import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv as arrow_csv

from rapport.sources.feed import Feed
from rapport.sources.mapping import Mapped

LANDED = sql.Identifier("landed")
REJECTED = sql.Identifier("rejected")


def create_tables(connection: psycopg.Connection, feed: Feed) -> None:
    """An empty table with the feed's columns in their types, and one for rejected rows."""
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type.postgres))
        for column in feed.definition.columns
        if column.name in feed.columns
    ]
    connection.execute(
        sql.SQL("create temp table {} (line_number bigint, {}, payload jsonb) on commit drop").format(
            LANDED, sql.SQL(", ").join(columns)
        )
    )
    connection.execute(
        sql.SQL(
            "create temp table {} (line_number bigint, column_name text, value text, reason text,"
            " record jsonb) on commit drop"
        ).format(REJECTED)
    )


def write_csv(rows: pa.RecordBatch) -> memoryview:
    """The rows as COPY reads them: an unquoted nothing is null, and there are no empty texts."""
    written = io.BytesIO()
    if rows.num_rows:
        arrow_csv.write_csv(
            rows, written, arrow_csv.WriteOptions(include_header=False, quoting_style="needed")
        )
    return written.getbuffer()


def copy_csv(
    connection: psycopg.Connection, table: sql.Identifier, columns: Sequence[str], written: memoryview
) -> None:
    """Add rows that `write_csv` wrote to the table."""
    if not written:
        return
    statement = sql.SQL("copy {} ({}) from stdin (format csv, encoding 'utf8')").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(written)


def copy_chunk(connection: psycopg.Connection, mapped: Mapped) -> None:
    """Add the chunk's rows and rejected rows to the tables."""
    for table, rows in ((LANDED, mapped.rows), (REJECTED, mapped.rejected)):
        copy_csv(connection, table, rows.schema.names, write_csv(rows))
