"""JSON lines, JSON arrays and arrays within a document → chunks; numbers keep the digits as written."""

import codecs
from collections.abc import Iterator
from typing import IO

import pyarrow as pa

from rapport.errors import InputError
from rapport.sources import faults
from rapport.sources.chunk import CHUNK_BYTES, CHUNK_ROWS, Chunk, Unreadable
from rapport.sources.feed import Feed
from rapport.sources.json_array import LONGEST_RECORD, NotAnArray, array_elements
from rapport.sources.json_columns import JsonColumns, TooManyKeys
from rapport.sources.mapped_columns import refuse_missing_columns
from rapport.sources.stored_file import SourceFile

BLOCK_BYTES = 1 << 20
Record = tuple[int, bytes]


def read_json(feed: Feed, file: SourceFile) -> Iterator[Chunk]:
    """The objects of the file: one a line; or the elements of the array that the file is, or that it has at
    `records_at`. A row's line is its line, or its number in the array, from 1.

    What is no object is unreadable; blank lines are no rows. A column is a key that any object has. Nested
    values are JSON text.

    Raises:
        InputError: empty, cut off or damaged, in another encoding, without a list at `records_at`, or a
            mapped key is in no object.
    """
    rows = _Rows(feed, file)
    try:
        with file.open() as stream:
            blocks = _Blocks(stream, feed.read.encoding)
            for number, text in _records(feed, file, blocks):
                rows.add(number, text)
                if rows.is_full:
                    yield rows.take()
    except (*faults.UNREADABLE, NotAnArray) as error:
        faults.explain(feed, file, error)
    if len(rows):
        yield rows.take()
    if rows.keys:
        refuse_missing_columns(feed, file.path, rows.keys)


class _Blocks:
    """The stream's content as UTF-8, block by block, without a mark at its beginning."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._is_utf8 = faults.decoder(encoding) is None
        self._decoder = faults.decoder(encoding) or codecs.getincrementaldecoder("utf-8")("strict")
        self._kept = b""
        self.lines_before = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._kept:
            block, self._kept = self._kept, b""
            return block
        while True:
            stored = self._stream.read(BLOCK_BYTES)
            text = self._decoder.decode(stored, final=not stored)
            if not stored and not text:
                raise StopIteration
            block = stored if self._is_utf8 else text.encode()
            if block:
                return block

    def begins_with(self) -> bytes:
        """The first sign that is no space; b"" where there is none. What comes before is passed over, and its
        lines are counted."""
        while True:
            block = next(self, b"").removeprefix(codecs.BOM_UTF8)
            begin = block.lstrip()
            if begin or not block:
                self._kept = begin
                self.lines_before += block.count(b"\n", 0, len(block) - len(begin))
                return begin[:1]
            self.lines_before += block.count(b"\n")


def _records(feed: Feed, file: SourceFile, blocks: _Blocks) -> Iterator[Record]:
    first = blocks.begins_with()
    if not first:
        raise InputError(
            f"{file.path} is empty (0 bytes of content); JSON objects are expected, one a line or in an array"
        )
    if feed.read.records_at is not None:
        yield from enumerate(array_elements(blocks, tuple(feed.read.records_at.split("."))), 1)
    elif first == b"[":
        yield from enumerate(array_elements(blocks, ()), 1)
    else:
        yield from _lines(file, blocks)


def _lines(file: SourceFile, blocks: _Blocks) -> Iterator[Record]:
    number, begun = 1 + blocks.lines_before, b""
    for block in blocks:
        *lines, begun = (begun + block).split(b"\n")
        for line in lines:
            if number == 1 + blocks.lines_before:
                _refuse_document(file, number, line)
            if line.strip():
                yield number, line.strip()
            number += 1
        if len(begun) > LONGEST_RECORD:
            raise InputError(
                f"{file.path}, line {number} is longer than {LONGEST_RECORD >> 20} MB; JSON lines have one "
                "object a line"
            )
    if begun.strip():
        yield number, begun.strip()


def _refuse_document(file: SourceFile, number: int, line: bytes) -> None:
    if line.strip() == b"{":
        raise InputError(
            f"{file.path}, line {number}: this is one JSON object over several lines; say where its list of "
            "records is with `records_at` under read, such as records_at: data.items"
        )


class _Rows:
    """The rows of a chunk that is being gathered."""

    def __init__(self, feed: Feed, file: SourceFile) -> None:
        self._path = file.path
        self._columns = JsonColumns()
        self._lines: list[int] = []
        self._bytes = 0
        self._unreadable: list[Unreadable] = []

    def __len__(self) -> int:
        return len(self._columns) + len(self._unreadable)

    @property
    def keys(self) -> list[str]:
        """All that any object had so far."""
        return self._columns.keys

    @property
    def is_full(self) -> bool:
        return len(self) >= CHUNK_ROWS or self._bytes >= CHUNK_BYTES

    def add(self, number: int, text: bytes) -> None:
        self._bytes += len(text)
        try:
            self._columns.add(text)
        except TooManyKeys as error:
            raise InputError(
                f"{self._path}, record {number}: {error}; are the keys values, and the records deeper "
                "inside? Then name their list with `records_at` or `explode`"
            ) from None
        except ValueError as error:
            self._unreadable.append(Unreadable(number, text.decode().strip(), str(error)))
        else:
            self._lines.append(number)

    def take(self) -> Chunk:
        """What was gathered, as a chunk."""
        chunk = Chunk(self._columns.take(), pa.array(self._lines, pa.int64()), self._unreadable)
        self._lines, self._unreadable, self._bytes = [], [], 0
        return chunk
