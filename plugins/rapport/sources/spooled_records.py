"""Records that came from an API, in a file of their own: JSON lines, read back as any feed's file is."""

import os
from array import array
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from rapport.sources.paths import as_json
from rapport.sources.stored_file import SourceFile

OPTIONAL_RECORDS = 1000  # a value that none of so many records has is not optional but misspelt


@dataclass(frozen=True)
class SpooledRecords(SourceFile):
    """`records` records, in a file that people know as `label`.

    `page_starts` are the numbers, from 1, of the records that pages begin with; a page without records has
    that of the next one. `numbers` are those of the records that are in the file; None: they are its lines.
    """

    label: str = ""
    records: int = 0
    page_starts: Sequence[int] = ()
    numbers: pa.Int64Array | None = None

    @property
    def path(self) -> str:
        return self.label


class Spool:
    """Takes records into a file.

    `optional` are keys that records may lack: while there are few records, none of them needs to have one.
    """

    def __init__(self, stored: Path, optional: Collection[str]) -> None:
        self._stored = stored
        self._missing = set(optional)
        self._lines: dict[Any, int] = {}
        self._count = 0
        self._page_starts = array("q")
        self._stream = stored.open("w", encoding="utf-8", newline="\n")

    def begin_page(self) -> None:
        """What is added from now on came with the next page."""
        self._page_starts.append(self._count + 1)

    def add(self, record: Any, key: Any = None) -> None:
        """Add a record. Of records with equal keys the last one is kept; without a key, each."""
        self._count += 1
        if key is not None:
            self._lines[key] = self._count
        if isinstance(record, dict):
            self._missing -= record.keys()
        self._stream.write(as_json(record) + "\n")

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def finish(self, label: str) -> SpooledRecords:
        """The file, with what was added; nothing can be added any more."""
        self._stream.close()
        records = self._count
        kept = set(self._lines.values())
        numbers: pa.Int64Array | None = None
        if kept and len(kept) < records:
            records = len(kept)
            numbers = pa.array(sorted(kept), pa.int64())
            self._rewrite(lambda number, line: line if number in kept else b"")
        if self._missing and 0 < records < OPTIONAL_RECORDS:
            nothing = ", ".join(f"{as_json(key)}: null" for key in sorted(self._missing))
            self._rewrite(lambda number, line: _with_keys(line, nothing) if number == 1 else line)
        return SpooledRecords(
            LocalFileSystem(),
            str(self._stored),
            None,
            "json",
            label=label,
            records=records,
            page_starts=self._page_starts,
            numbers=numbers,
        )

    def _rewrite(self, change: Callable[[int, bytes], bytes]) -> None:
        rewritten = self._stored.with_suffix(".new")
        with self._stored.open("rb") as old, rewritten.open("wb") as new:
            new.writelines(change(number, line) for number, line in enumerate(old, 1))
        os.replace(rewritten, self._stored)


def _with_keys(line: bytes, written: str) -> bytes:
    if not line.startswith(b"{"):
        return line
    rest = line[1:].lstrip()
    return b"{" + written.encode() + (b"" if rest.startswith(b"}") else b", ") + rest
