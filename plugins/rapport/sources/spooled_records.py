"""Records that came from an API, in a file of their own: JSON lines, read back as any feed's file is."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fsspec.implementations.local import LocalFileSystem

from rapport.sources.files import SourceFile
from rapport.sources.paths import as_json

OPTIONAL_RECORDS = 1000  # a value that none of so many records has is not optional but misspelt


@dataclass(frozen=True)
class SpooledRecords(SourceFile):
    """`records` records at `stored`; `path` is what people read."""

    stored: Path
    records: int

    @property
    def kind(self) -> str:
        return "json_lines"

    @property
    def is_compressed(self) -> bool:
        return False

    @contextmanager
    def open_stored(self) -> Iterator[IO[bytes]]:
        with self.stored.open("rb") as stream:
            yield stream


class Spool:
    """Takes records into a file.

    `optional` are keys that records may lack: while there are few records, none of them needs to have one.
    """

    def __init__(self, stored: Path, optional: Collection[str]) -> None:
        self._stored = stored
        self._missing = set(optional)
        self._first: dict[str, Any] | None = None
        self._lines: dict[Any, int] = {}
        self._count = 0
        self._stream = stored.open("w", encoding="utf-8", newline="\n")

    def __len__(self) -> int:
        return self._count

    def add(self, record: Any, key: Any = None) -> None:
        """Add a record. Of records with equal keys the last one is kept; without a key, each."""
        self._count += 1
        if key is not None:
            self._lines[key] = self._count
        if isinstance(record, dict):
            self._missing -= record.keys()
        self._stream.write(as_json(record) + "\n")

    def close(self, label: str) -> SpooledRecords:
        """The file, with what was added."""
        self._stream.close()
        records = self._count
        kept = set(self._lines.values())
        if kept and len(kept) < records:
            self._keep_only(kept)
            records = len(kept)
        return SpooledRecords(LocalFileSystem(), label, self._stored, records)

    def _keep_only(self, lines: set[int]) -> None:
        rewritten = self._stored.with_suffix(".new")
        with self._stored.open("rb") as old, rewritten.open("wb") as new:
            new.writelines(line for number, line in enumerate(old, 1) if number in lines)
        os.replace(rewritten, self._stored)
