"""JSON lines → chunks: one object a line, numbers with the digits they were written with."""

import codecs
import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from rapport.errors import InputError
from rapport.sources import faults
from rapport.sources.chunk import CHUNK_ROWS, Chunk, Unreadable
from rapport.sources.feed import Feed
from rapport.sources.files import SourceFile, missing_columns


class _Number(str):
    """A number as it was written."""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_no_constant)


def read_json_lines(feed: Feed, file: SourceFile) -> Iterator[Chunk]:
    """The objects of the file. A line that holds none is unreadable; blank lines are no rows.

    A column is a key that any line has. Nested values are JSON text.

    Raises:
        InputError: empty, one JSON array, cut off in its gzip stream, in another encoding, or a mapped key
            is in no line.
    """
    seen: dict[str, None] = {}
    rows_read = lines = 0
    rows = _Rows()
    try:
        for number, line in _text_lines(feed, file):
            lines = number
            rows.add(number, line)
            if len(rows) >= CHUNK_ROWS:
                chunk = rows.take(seen)
                rows_read += chunk.rows_read
                yield chunk
    except (OSError, EOFError, UnicodeError) as error:
        faults.explain(feed, file, error)
    if lines == 0:
        raise InputError(f"{file.path} is empty (0 bytes of content); one JSON object a line is expected")
    if len(rows):
        chunk = rows.take(seen)
        rows_read += chunk.rows_read
        yield chunk
    if seen:
        missing_columns(feed, file, list(seen))


class _Rows:
    """The lines of a chunk that is being gathered."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._lines: list[int] = []
        self._unreadable: list[Unreadable] = []

    def __len__(self) -> int:
        return len(self._records) + len(self._unreadable)

    def add(self, number: int, line: str) -> None:
        text = line.strip()
        if not text:
            return
        try:
            record = _DECODER.decode(text)
            if "\\ud" in text.lower():
                _as_json(record).encode()
        except json.JSONDecodeError as error:
            cause = "was the file cut off?" if error.pos >= len(text) else f"see column {error.colno}"
            self._refuse(number, text, f"this is not JSON ({error.msg}); {cause}")
        except UnicodeEncodeError:
            self._refuse(number, text, "a \\u escape in it is half of a character")
        except (ValueError, RecursionError) as error:
            self._refuse(number, text, f"this is not JSON ({error or 'nested too deeply'})")
        else:
            if isinstance(record, dict):
                self._records.append(record)
                self._lines.append(number)
            else:
                self._refuse(number, text, 'a JSON object is expected on each line, as in {"id": 1}')

    def take(self, seen: dict[str, None]) -> Chunk:
        """What was gathered, as a chunk; `seen` takes in its keys, in the order they came."""
        for record in self._records:
            if not seen.keys() >= record.keys():
                seen.update(dict.fromkeys(record))
        columns = {name: pa.array([_text(r.get(name)) for r in self._records], pa.string()) for name in seen}
        if not columns:
            columns = {"": pa.nulls(len(self._records), pa.string())}
        chunk = Chunk(
            pa.RecordBatch.from_pydict(columns), pa.array(self._lines, pa.int64()), self._unreadable
        )
        self._records, self._lines, self._unreadable = [], [], []
        return chunk

    def _refuse(self, number: int, text: str, reason: str) -> None:
        self._unreadable.append(Unreadable(number, text, reason))


def _text(value: Any) -> str | None:
    """A value as a column holds it: texts and numbers as they are, the rest as JSON; null and "" are none."""
    if isinstance(value, str):
        return value or None
    return None if value is None else _as_json(value)


def _as_json(value: Any) -> str:
    """JSON text with every number as it was written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {_as_json(v)}" for k, v in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_as_json(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _text_lines(feed: Feed, file: SourceFile) -> Iterator[tuple[int, str]]:
    encoding = "utf-8-sig" if codecs.lookup(feed.read.encoding).name == "utf-8" else feed.read.encoding
    with file.open() as stream, io.TextIOWrapper(stream, encoding, newline="\n") as text:
        for number, line in enumerate(text, 1):
            if number == 1 and line.lstrip().startswith("["):
                raise InputError(
                    f"{file.path}, line 1: this is one JSON array; JSON lines are expected, one object "
                    "a line, as `jq -c '.[]'` writes them"
                )
            yield number, line
