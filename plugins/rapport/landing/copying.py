"""Chunks → temporary tables, by COPY. The tables are the transaction's own and end with it."""

import io

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


def copy_chunk(connection: psycopg.Connection, mapped: Mapped) -> None:
    """Add the chunk's rows and rejected rows to the tables."""
    _copy(connection, LANDED, mapped.rows)
    _copy(connection, REJECTED, mapped.rejected)


def _copy(connection: psycopg.Connection, table: sql.Identifier, rows: pa.RecordBatch) -> None:
    if rows.num_rows == 0:
        return
    # In CSV an unquoted nothing is null; there are no empty texts, and what looks like one is quoted.
    written = io.BytesIO()
    arrow_csv.write_csv(rows, written, arrow_csv.WriteOptions(include_header=False, quoting_style="needed"))
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in rows.schema.names)
    statement = sql.SQL("copy {} ({}) from stdin (format csv, encoding 'utf8')").format(table, columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(written.getbuffer())
