"""Tables and queries of other databases → chunks, through SQLAlchemy or ADBC. Nothing here writes to them."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from rapport.errors import InputError
from rapport.sources import adbc_sessions, cursors
from rapport.sources.chunk import CHUNK_BYTES, CHUNK_ROWS, Chunk
from rapport.sources.connections import find_connection
from rapport.sources.database_keys import Database
from rapport.sources.database_sessions import reading
from rapport.sources.feed import Feed
from rapport.sources.mapped_columns import refuse_missing_columns
from rapport.sources.only import only_rows
from rapport.sources.source_file import FromColumn

FETCH_ROWS = 5_000
# Rows as texts, and values of the cursor column among which the greatest of them is.
Part = tuple[pa.RecordBatch, set[Any]]


@dataclass
class DatabaseDelivery:
    """One reading of a feed's table or query. `kept` is the cursor that the last one left."""

    feed: Feed
    database: Database
    kept: Any = None
    _digest: Any = field(default_factory=hashlib.sha256)
    _end: cursors.Value | None = None

    @property
    def label(self) -> str:
        return f"{self.database.connection}: {self.database.table or self.feed.name}"

    def chunks(self) -> Iterator[Chunk]:
        """The rows that are new since the cursor, as one consistent picture, in chunks of bounded size.

        Raises:
            SourceUnavailable: the database does not answer. SourceRefused: it does not let us in.
            InputError: it cannot answer the question: a table or column is missing, a query is wrong.
        """
        began = datetime.now(UTC)
        with self._answer() as (names, parts):
            self._check(names)
            yield from only_rows(self.feed.only, self._chunks(parts))
        if self._end is not None:
            self._end = cursors.not_after(self._end, began, self._zone())
            cursors.begin_at(self._end, self._overlap)  # a value that gives no beginning is refused now

    @property
    def page_starts(self) -> None:
        return None

    def content_hash(self) -> str:
        """SHA-256 of the texts that were read, in their order."""
        return str(self._digest.hexdigest())

    def cursor(self) -> Any:
        """Where the next reading begins, as JSON; None where everything is read each time."""
        if self.database.cursor is None:
            return None
        if self._end is None:
            return self.kept if self._kept_end() is not None else None
        return {"mapping": self.feed.mapping_hash, **cursors.to_json(self._end)}

    @property
    def _overlap(self) -> cursors.Overlap:
        return cursors.parse_overlap(self.database.overlap)

    def _kept_end(self) -> cursors.Value | None:
        # Under another mapping everything is read again, as a file would be.
        if not self.kept or self.kept.get("mapping") != self.feed.mapping_hash:
            return None
        return cursors.from_json(self.kept)

    @contextmanager
    def _answer(self) -> Iterator[tuple[list[str], Iterator[Part]]]:
        connection = find_connection(self.database.connection)
        if connection.kind.startswith(adbc_sessions.PREFIX):
            with adbc_sessions.answer(self.label, connection, self._question(_literal)) as answer:
                yield answer.names, answer.parts(self.database.cursor)
            return
        with reading(self.label, connection) as session:
            streamed = session.execution_options(stream_results=True, max_row_buffer=FETCH_ROWS)
            with streamed.execute(self._question(_parameter)) as result:
                names = list(result.keys())
                yield names, _parts(names, self.database.cursor, result.partitions(FETCH_ROWS))

    def _question(self, written: Callable[[Any], sa.ColumnElement[Any]]) -> sa.Select[Any]:
        chosen: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(_rows_of(self.database))
        if self.database.cursor is None:
            return chosen
        column: sa.ColumnElement[Any] = sa.column(sa.quoted_name(self.database.cursor, True))
        self._end = self._kept_end()
        begin: Any = None
        if self._end is not None:
            begin = cursors.begin_at(self._end, self._overlap)
        elif self.database.start is not None:
            start = self.database.start
            begin = int(start) if start.isdecimal() else start
        if begin is None:
            return chosen
        # What has no value yet is never later than anything: such rows are read each time.
        return chosen.where(sa.or_(column >= written(begin), column.is_(None)))

    def _check(self, names: list[str]) -> None:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                f"{self.label}: the query gives {', '.join(twice)} twice; name each column once, with `as`"
            )
        if self.database.cursor is not None and self.database.cursor not in names:
            raise InputError(
                f"{self.label}: there is no column {self.database.cursor!r}, which is the cursor; it has: "
                f"{', '.join(names)}"
            )
        refuse_missing_columns(self.feed, self.label, names)

    def _chunks(self, parts: Iterable[Part]) -> Iterator[Chunk]:
        gathered: list[Any] = []
        line, size = 0, 0
        for batch, ends in parts:
            for value in ends:
                self._end = cursors.later(self._end, value)
            self._note(batch)
            gathered.append(batch)
            size += batch.nbytes
            if sum(b.num_rows for b in gathered) >= CHUNK_ROWS or size >= CHUNK_BYTES:
                yield (chunk := _chunk(gathered, line))
                line += chunk.rows_read
                gathered, size = [], 0
        if gathered:
            yield _chunk(gathered, line)

    def _note(self, batch: pa.RecordBatch) -> None:
        for column in batch.columns:
            for buffer in column.buffers():
                self._digest.update(b"" if buffer is None else buffer)

    def _zone(self) -> str | None:
        """The zone of the cursor column's times, where the mapping names one."""
        for mapping in self.feed.columns.values():
            if isinstance(mapping, FromColumn) and mapping.column == self.database.cursor:
                return mapping.time_zone
        return None


def _rows_of(database: Database) -> Any:
    if database.table is not None:
        schema, _, name = database.table.rpartition(".")
        return sa.table(sa.quoted_name(name, True), schema=sa.quoted_name(schema, True) if schema else None)
    # A colon in the query is a cast or in a text, and no parameter of SQLAlchemy's.
    query = (database.query or "").strip().rstrip(";").replace(":", "\\:")
    return sa.text(f"(\n{query}\n) as rapport_rows")


def _parameter(begin: Any) -> sa.ColumnElement[Any]:
    return sa.bindparam("begin", begin, sa.types.NullType())


def _literal(begin: Any) -> sa.ColumnElement[Any]:
    return sa.literal(str(begin) if isinstance(begin, date) else begin)


def _parts(names: list[str], cursor: str | None, rows: Iterable[Any]) -> Iterator[Part]:
    at = None if cursor is None or cursor not in names else names.index(cursor)
    for part in rows:
        columns = [_texts(column) for column in zip(*part, strict=True)]
        texts = {name: pa.array(found, pa.string()) for name, found in zip(names, columns, strict=True)}
        yield pa.RecordBatch.from_pydict(texts), set() if at is None else {row[at] for row in part} - {None}


def _chunk(batches: list[pa.RecordBatch], line: int) -> Chunk:
    rows = pa.concat_batches(batches)
    return Chunk(rows, pa.array(range(line + 1, line + 1 + rows.num_rows), pa.int64()))


def _texts(column: Sequence[Any]) -> list[str | None]:
    """The values as text; null and the empty text are none."""
    kinds = set(map(type, column)) - {type(None)}
    if kinds <= {str}:
        return [value or None for value in column]
    if kinds <= {int}:
        return [None if value is None else str(value) for value in column]
    if kinds <= {datetime}:
        return [None if value is None else value.isoformat() for value in column]
    return [_text(value) for value in column]


def _text(value: Any) -> str | None:
    match value:
        case None | "":
            return None
        case str():
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return format(value, "f") if value.is_finite() else str(value)
        case bool():
            return "true" if value else "false"
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=_text)
    return str(value)
