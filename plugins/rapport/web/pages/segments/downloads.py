"""A segment as a file, streamed as the database hands it over: memory does not grow with the segment.

Two downloads at a time in all API servers together: each holds an advisory lock of the warehouse for as
long as its transaction lasts, so that a server that dies gives its place back as well.
"""

import csv
import io
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import sql

from rapport.settings import Settings
from rapport.web import database
from rapport.web.visitors import Visitor

Form = Literal["csv", "parquet"]

PLACES = 2
PLACE_LOCK = 0x706C_6163  # "plac"
TIME_LIMIT = "10min"
ROWS_AT_MOST = 5_000_000
BLOCK_BYTES = 1 << 16
ROW_GROUP_BYTES = 1 << 23

# Of marts.customers, before what the segment says itself; writing to somebody takes no phone number.
CUSTOMER_COLUMNS = (
    "first_name",
    "last_name",
    "email",
    "email_topics",
    "country",
    "language",
    "time_zone",
    "company_name",
    "lifecycle_stage",
    "order_count",
    "net_revenue",
    "reporting_currency",
    "first_order_at",
    "last_order_at",
)

# A spreadsheet takes a cell that begins with one of these for a formula, some with the full-width signs too.
RUNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"

_WHOLE = ("smallint", "integer", "bigint")
_FRACTIONS = ("real", "double precision")
_MOMENTS = ("timestamp with time zone", "timestamp without time zone")


@dataclass(frozen=True)
class Column:
    """A column of the file: `type` is PostgreSQL's name, `source` the relation that has it."""

    name: str
    type: str
    source: Literal["members", "memberships", "customers", "segment"]


@dataclass(frozen=True)
class Extract:
    """A download that has a place: an open transaction under the visitor's role, and what it will read."""

    connection: psycopg.Connection
    segment: str
    columns: Sequence[Column]

    def close(self) -> None:
        """End the transaction, and wait for it: the place is free by then, and not some time later."""
        with suppress(psycopg.Error):  # what is still being read goes with the connection
            self.connection.rollback()
        self.connection.close()

    def stop(self) -> None:
        """Have the database give up what it is doing."""
        self.connection.cancel_safe(timeout=5)

    def blocks(self, form: Form) -> Generator[bytes]:
        """The file in blocks."""
        return _csv(self) if form == "csv" else _parquet(self)


def begin(settings: Settings, who: Visitor, segment: str) -> Extract | None:
    """Take a place and look up the columns; None where all places are taken."""
    connection = database.for_download(settings, who, TIME_LIMIT)
    try:
        if not _takes_place(connection):
            connection.close()
            return None
        return Extract(connection, segment, _columns(connection, segment))
    except BaseException:
        connection.close()
        raise


def defused(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would run it."""
    return f"'{text}" if text.startswith(tuple(RUNS)) else text


def _takes_place(connection: psycopg.Connection) -> bool:
    for place in range(PLACES):
        row = connection.execute("select pg_try_advisory_xact_lock(%s, %s)", [PLACE_LOCK, place]).fetchone()
        if row is not None and row[0]:
            return True
    return False


def _columns(connection: psycopg.Connection, segment: str) -> list[Column]:
    """customer_id, reason and since when; then the customer's, then those that only the segment has."""
    types: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, type_name in connection.execute(
        """
        select pg_namespace.nspname::text, relname::text, attname::text, format_type(atttypid, null)
        from pg_attribute
        inner join pg_class on attrelid = pg_class.oid
        inner join pg_namespace on relnamespace = pg_namespace.oid
        where
            (nspname, relname) in (('marts', 'customers'), ('segments', %s))
            and attnum > 0 and not attisdropped
        order by attnum
        """,
        [segment],
    ):
        types.setdefault((schema, table), {})[column] = type_name
    own = types.get(("segments", segment), {})
    customers = types.get(("marts", "customers"), {})
    return [
        Column("customer_id", "text", "members"),
        Column("reason", "text", "members"),
        Column("entered_at", "timestamp with time zone", "memberships"),
        *(
            Column(name, own[name], "segment") if name in own else Column(name, customers[name], "customers")
            for name in CUSTOMER_COLUMNS
            if name in own or name in customers
        ),
        *(
            Column(name, type_name, "segment")
            for name, type_name in own.items()
            if name not in ("customer_id", "reason", "entered_at", *CUSTOMER_COLUMNS)
        ),
    ]


def _copy(extract: Extract, form: Form) -> sql.Composed:
    """Members as they were recorded; what the view says of one who is no longer in it is empty."""
    has_view = any(column.source == "segment" for column in extract.columns)
    view = sql.SQL("left join {} as segment on members.customer_id = segment.customer_id").format(
        sql.Identifier("segments", extract.segment)
    )
    return sql.SQL(
        """
        copy (
            select {columns}
            from segments.members
            left join segments.memberships
                on members.segment = memberships.segment
                and members.customer_id = memberships.customer_id
                and memberships.left_at is null
            left join marts.customers on members.customer_id = customers.customer_id
            {view}
            where members.segment = {segment}
            limit {most}
        ) to stdout (format csv)
        """
    ).format(
        columns=sql.SQL(", ").join(_cell(column, form) for column in extract.columns),
        view=view if has_view else sql.SQL(""),
        segment=sql.Literal(extract.segment),
        most=sql.Literal(ROWS_AT_MOST),
    )


def _cell(column: Column, form: Form) -> sql.Composable:
    """A column as text that `_arrow_type` reads again, or that a spreadsheet shows."""
    value = sql.Identifier(column.source, column.name)
    if column.type in (*_WHOLE, *_FRACTIONS, "boolean", "date"):
        return value
    if column.type == "numeric":
        if form == "csv":
            return value
        return sql.SQL("case when {0} not in ('NaN', 'Infinity', '-Infinity') then round({0}, 9) end").format(
            value
        )
    if column.type in _MOMENTS:
        pattern = "YYYY-MM-DD HH24:MI:SS" if form == "csv" else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        return sql.SQL("case when isfinite({0}) then to_char({0}, {1}) end").format(
            value, sql.Literal(pattern)
        )
    if form == "parquet":
        return sql.SQL("{}::text").format(value)
    return sql.SQL(
        "case when left({0}::text, 1) = any({1}) then '''' || {0}::text else {0}::text end"
    ).format(value, sql.Literal(list(RUNS)))


def _rows(extract: Extract, form: Form, block_bytes: int) -> Generator[bytes]:
    """Whole lines of CSV, so many bytes of them at a time."""
    block = bytearray()
    with extract.connection.cursor() as cursor, cursor.copy(_copy(extract, form)) as copy:
        for line in copy:
            block += line
            if len(block) >= block_bytes:
                yield bytes(block)
                block.clear()
    if block:
        yield bytes(block)


def _csv(extract: Extract) -> Generator[bytes]:
    # Without the mark at its beginning Excel reads the file in the code page of the machine.
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(defused(column.name) for column in extract.columns)
    rows = _rows(extract, "csv", BLOCK_BYTES)
    yield b"\xef\xbb\xbf" + header.getvalue().encode() + next(rows, b"")
    yield from rows


def _parquet(extract: Extract) -> Generator[bytes]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    from rapport import postgres_csv

    schema = pa.schema([(column.name, _arrow_type(column.type)) for column in extract.columns])
    convert = postgres_csv.conversion(schema)
    read = arrow_csv.ReadOptions(column_names=schema.names, use_threads=False, block_size=2 * ROW_GROUP_BYTES)
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    sink = _Sink()
    with parquet.ParquetWriter(sink, schema) as writer:
        for block in _rows(extract, "parquet", ROW_GROUP_BYTES):
            writer.write_table(arrow_csv.read_csv(pa.BufferReader(block), read, parse, convert))
            yield sink.take()
    yield sink.take()


def _arrow_type(name: str) -> Any:
    import pyarrow as pa

    if name in _WHOLE:
        return pa.int64()
    if name in _FRACTIONS:
        return pa.float64()
    if name in _MOMENTS:
        return pa.timestamp("us", tz="UTC")
    return {"numeric": pa.decimal128(38, 9), "boolean": pa.bool_(), "date": pa.date32()}.get(
        name, pa.string()
    )


class _Sink(io.RawIOBase):
    """A file to write to whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def write(self, data: Any) -> int:
        content = bytes(data)
        self._written.append(content)
        self._place += len(content)
        return len(content)

    def take(self) -> bytes:
        content = b"".join(self._written)
        self._written.clear()
        return content
