"""Arrow tables out of and into PostgreSQL through COPY, a block at a time."""

import io
from typing import IO, cast

import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv

from rapport import postgres_csv

BLOCK_BYTES = 4 << 20
ROWS_PER_WRITE = 20_000


def read(connection: psycopg.Connection, query: str, schema: pa.Schema) -> pa.Table:
    """The query's rows; its columns are those of the schema, in this order. Null and '' stay apart."""
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
            convert_options=postgres_csv.conversion(schema),
        )


def write(connection: psycopg.Connection, table: sql.Composable, rows: pa.Table) -> None:
    """Append the rows to the table, each column to the one of its name. The session speaks UTC."""
    for index, column in enumerate(rows.schema):
        if pa.types.is_timestamp(column.type):  # with their zone they take fifteen times as long to write
            rows = rows.set_column(index, column.name, rows[column.name].cast(pa.timestamp("us")))
    # Arrow writes a zero byte where a chunk is empty.
    rows = pa.Table.from_batches([batch for batch in rows.to_batches() if batch.num_rows], rows.schema)
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(table, columns)
    with connection.cursor().copy(statement) as copy:
        csv.write_csv(
            rows,
            cast(IO[bytes], _Writing(copy)),
            csv.WriteOptions(include_header=False, batch_size=ROWS_PER_WRITE),
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
