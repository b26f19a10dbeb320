"""CSV → chunks, through Arrow's streaming reader. What it cannot say is looked up in `faults`."""

import codecs
import io
import re
import threading
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from rapport.errors import InputError
from rapport.sources import faults
from rapport.sources.chunk import CHUNK_ROWS, Chunk, Unreadable
from rapport.sources.csv_header import read_header
from rapport.sources.feed import Feed, FileReading
from rapport.sources.stored_file import SourceFile

BLOCK_BYTES = faults.LONGEST_ROW
HEADER_BYTES = 1 << 20


def read_csv(feed: Feed, file: SourceFile) -> Iterator[Chunk]:
    """The rows of a CSV file. Columns without a name are known by their position, from 1.

    A row with too few or too many fields is unreadable; lines without any value are no rows.

    Raises:
        InputError: empty, cut off in its gzip stream or in a quoted value, in another encoding, or a column
            is missing or named twice.
    """
    with file.open() as stream:
        tally = _Tally(stream, feed.read)
        try:
            header, lines = _read_header(feed, file, tally)
            if not tally.is_at_end:
                yield from _Rows(feed, tally, header, lines).chunks()
        except faults.UNREADABLE as error:
            if tally.error is not None and not isinstance(tally.error, faults.UNREADABLE):
                raise tally.error from None
            faults.explain(feed, file, tally.error or error)
    if feed.read.quote and (tally.quotes % 2 or tally.ends_in_odd_line):
        faults.refuse_open_quote(feed, file)


class _Tally(io.RawIOBase):
    """The stream as UTF-8, keeping count of what Arrow does not tell."""

    def __init__(self, stream: IO[bytes], read: FileReading) -> None:
        self._quote = (read.quote or '"').encode()
        escape = re.escape(read.escape.encode()) if read.escape else None
        self._escaped = re.compile(escape + b".", re.DOTALL) if escape else None
        self._stream: Any = stream
        self._decoder = faults.decoder(read.encoding)
        # Arrow passes over a row that is no UTF-8 where it has too few or too many fields.
        self._validator = codecs.getincrementaldecoder("utf-8")("strict")
        self._pushed_back = b""
        self._last_line = b""
        self.quotes = 0
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    @property
    def is_at_end(self) -> bool:
        """Whether nothing follows; what follows is kept."""
        if not self._pushed_back:
            self._pushed_back = self.read(BLOCK_BYTES)
        return not self._pushed_back

    def push_back(self, block: bytes) -> None:
        self._pushed_back = block

    def read(self, size: int = -1) -> bytes:
        try:
            return self._read(size if size and size > 0 else BLOCK_BYTES)
        except BaseException as error:
            self.error = error
            raise

    def _read(self, size: int) -> bytes:
        if self._pushed_back:
            block, self._pushed_back = self._pushed_back[:size], self._pushed_back[size:]
            return block
        while True:
            stored = self._stream.read(size)
            block = (
                stored if self._decoder is None else self._decoder.decode(stored, final=not stored).encode()
            )
            if block or not stored:
                break
        if self._decoder is None:
            self._validator.decode(stored, final=not stored)
        self._note(block if self._escaped is None else self._escaped.sub(b"__", block))
        return block

    def _note(self, block: bytes) -> None:
        self.quotes += block.count(self._quote)
        if block:
            tail = block.rstrip(b"\r\n")
            start = tail.rfind(b"\n") + 1
            self._last_line = tail[start:] if start else self._last_line[-HEADER_BYTES:] + tail

    @property
    def ends_in_odd_line(self) -> bool:
        """Whether the last line leaves a quote open: a sign, no proof."""
        return bool(self._last_line.count(self._quote) % 2)


def _read_header(feed: Feed, file: SourceFile, tally: _Tally) -> tuple[list[str], int]:
    """The column names, and how many lines stand before the first row, where the stream is left."""
    block = b""
    while len(block) < HEADER_BYTES and (more := tally.read(HEADER_BYTES)):
        block += more
    if not block:
        raise InputError(
            f"{file.path} is empty (0 bytes of content); a header line with the columns' names is expected"
        )
    block = block.removeprefix(b"\xef\xbb\xbf")
    is_all = len(block) < HEADER_BYTES
    if is_all and not block.endswith(b"\n"):
        block += b"\n"
    header = read_header(feed, file, block)
    tally.push_back(block[header.bytes :])
    return header.names, header.lines


class _Rows:
    """Arrow's batches with the rows it cannot read, each with its line.

    Arrow numbers rows, not lines: a line is the row's number and the newlines inside values before it. Blank
    lines are rows of nulls to it.
    """

    def __init__(self, feed: Feed, tally: _Tally, header: list[str], lines_before: int) -> None:
        self._tally = tally
        self._read = feed.read
        self._header = header
        self._next_row = 1
        self._extra_lines = lines_before
        self._invalid: list[Any] = []
        self._lock = threading.Lock()

    def chunks(self) -> Iterator[Chunk]:
        for batch in self._batches():
            for start in range(0, batch.num_rows, CHUNK_ROWS):
                yield self._chunk(batch.slice(start, CHUNK_ROWS))
        if self._invalid:
            yield self._chunk(
                pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in self._header})
            )

    def _batches(self) -> Iterator[pa.RecordBatch]:
        reader = arrow_csv.open_csv(
            pa.PythonFile(self._tally, mode="r"),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=self._header
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._read.delimiter,
                quote_char=self._read.quote or False,
                escape_char=self._read.escape or False,
                newlines_in_values=self._read.quote is not None or self._read.escape is not None,
                ignore_empty_lines=False,
                invalid_row_handler=self._note_invalid,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in self._header},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        with reader:
            yield from reader

    def _note_invalid(self, row: Any) -> str:
        with self._lock:  # the reader parses ahead on a thread of its own
            self._invalid.append(row)
        return "skip"

    def _chunk(self, batch: pa.RecordBatch) -> Chunk:
        with self._lock:
            ahead = np.array([row.number for row in self._invalid], dtype=np.int64)
            numbers = _row_numbers(self._next_row, batch.num_rows, ahead)
            taken = int(np.searchsorted(ahead, numbers[-1])) if batch.num_rows else len(ahead)
            invalid, self._invalid = self._invalid[:taken], self._invalid[taken:]
        may_hold_newlines = self._tally.quotes or self._read.escape
        newlines = _newlines(batch) if may_hold_newlines else np.zeros(batch.num_rows, dtype=np.int64)
        numbers = np.concatenate([numbers, ahead[:taken]])
        newlines = np.concatenate(
            [newlines, np.array([row.text.count("\n") for row in invalid], dtype=np.int64)]
        )
        order = np.argsort(numbers)
        lines = np.empty_like(numbers)
        lines[order] = numbers[order] + self._extra_lines + np.cumsum(newlines[order]) - newlines[order]
        self._extra_lines += int(newlines.sum())
        self._next_row = int(numbers.max()) + 1
        unreadable = [
            _unreadable(row, int(line)) for row, line in zip(invalid, lines[batch.num_rows :], strict=True)
        ]
        return _without_blank_lines(batch, pa.array(lines[: batch.num_rows]), unreadable)


def _row_numbers(first: int, count: int, taken: np.ndarray) -> np.ndarray:
    """The next `count` row numbers from `first` on that unreadable rows have not taken."""
    candidates = np.arange(first, first + count + len(taken), dtype=np.int64)
    return candidates[~np.isin(candidates, taken)][:count] if len(taken) else candidates


def _newlines(batch: pa.RecordBatch) -> np.ndarray:
    """How many newlines the values of each row hold."""
    total = np.zeros(batch.num_rows, dtype=np.int64)
    for column in batch.columns:
        if pc.any(pc.match_substring(column, "\n")).as_py():
            total += pc.fill_null(pc.count_substring(column, "\n"), 0).to_numpy(zero_copy_only=False)
    return total


def _without_blank_lines(batch: pa.RecordBatch, lines: pa.Int64Array, unreadable: list[Unreadable]) -> Chunk:
    if min((column.null_count for column in batch.columns), default=0) == 0:
        return Chunk(batch, lines, unreadable)
    blank = batch.column(0).is_null()
    for column in batch.columns[1:]:
        blank = pc.and_(blank, column.is_null())
    return Chunk(batch.filter(pc.invert(blank)), lines.filter(pc.invert(blank)), unreadable)


def _unreadable(row: Any, line: int) -> Unreadable:
    count = "1 field" if row.actual_columns == 1 else f"{row.actual_columns} fields"
    if "\n" in row.text:
        cause = "is a quote in it not closed?"
    elif row.actual_columns < row.expected_columns:
        cause = "was the file cut off?"
    else:
        cause = "does a value hold the delimiter without being quoted?"
    return Unreadable(line, row.text, f"{count} where {row.expected_columns} are expected; {cause}")
