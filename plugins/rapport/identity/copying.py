"""Arrow tables out of and into PostgreSQL through COPY, a block at a time."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv

BLOCK_BYTES = 4 << 20


def read(connection: psycopg.Connection, query: str, schema: pa.Schema) -> pa.Table:
    """The query's rows; its columns are those of the schema, in this order. Null and '' stay apart."""
    convert = csv.ConvertOptions(
        column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    with connection.cursor().copy(f"copy ({query}) to stdout (format csv)".encode()) as copy:
        source = _Reading(copy)
        first = source.read(1)
        if not first:
            return schema.empty_table()
        source.pending = first + source.pending
        return csv.read_csv(
            cast(IO[bytes], source),
            read_options=csv.ReadOptions(column_names=schema.names, block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=convert,
        )


def write(connection: psycopg.Connection, table: sql.Composable, rows: pa.Table) -> None:
    """Append the rows to the table, each column to the one of its name."""
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(table, columns)
    with connection.cursor().copy(statement) as copy:
        csv.write_csv(
            rows,
            cast(IO[bytes], _Writing(copy)),
            csv.WriteOptions(include_header=False, batch_size=20_000),
        )


@contextmanager
def without_indexes(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Fill an empty table without its keys and indexes, which are built when the rows are in.

    Keeping the indexes of a million rows up to date one row at a time takes five times as long as building
    them. The table is locked until the transaction ends.
    """
    constraints = connection.execute(
        """
        select conname, pg_get_constraintdef(oid) from pg_constraint
        where conrelid = %s::regclass and contype in ('p', 'u', 'f') order by contype desc
        """,
        [table],
    ).fetchall()
    indexes = connection.execute(
        """
        select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
        where indrelid = %s::regclass
            and not exists (select from pg_constraint where conindid = indexrelid)
        """,
        [table],
    ).fetchall()
    name = sql.Identifier(*table.split("."))
    connection.execute(sql.SQL("truncate {}").format(name))  # in a new file nothing needs to be logged
    for constraint, _ in constraints:
        connection.execute(
            sql.SQL("alter table {} drop constraint {}").format(name, sql.Identifier(constraint))
        )
    for index, _ in indexes:
        connection.execute(sql.SQL("drop index {}").format(sql.SQL(index)))
    yield
    for _, definition in indexes:
        connection.execute(definition)
    for constraint, definition in reversed(constraints):
        connection.execute(
            sql.SQL("alter table {} add constraint {} {}").format(
                name, sql.Identifier(constraint), sql.SQL(definition)
            )
        )


class _Reading(io.RawIOBase):
    """What COPY sends, as a file."""

    def __init__(self, copy: psycopg.Copy) -> None:
        self.copy = copy
        self.pending = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        blocks, length = [self.pending], len(self.pending)
        while (size < 0 or length < size) and (block := self.copy.read()):
            blocks.append(bytes(block))
            length += len(block)
        everything = b"".join(blocks)
        size = length if size < 0 else size
        self.pending = everything[size:]
        return everything[:size]


class _Writing(io.RawIOBase):
    """What COPY receives, as a file."""

    def __init__(self, copy: psycopg.Copy) -> None:
        self.copy = copy

    def writable(self) -> bool:
        return True

    def write(self, block: bytes) -> int:  # type: ignore[override]
        self.copy.write(block)
        return len(block)
