"""One file of a feed: what it is called, how it is packed and written, and whether it changed."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import IO, Any

from rapport.errors import InputError
from rapport.sources.archives import member_stream, members, packed_bytes
from rapport.sources.compression import DEFAULT_LIMITS, UnpackLimits, packing, unpacked
from rapport.sources.object_stores import failures_named

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
}
# What object stores say of a version of a file, in the order of how well it tells versions apart.
_VERSION_KEYS = ("ETag", "etag", "generation", "md5Hash", "content_md5", "crc32c")
_TIME_KEYS = ("mtime", "created", "LastModified", "last_modified", "updated", "timeModified")


@dataclass(frozen=True)
class SourceFile:
    """`stored` is what `system` knows it by, `member` its name in a zip archive; an archive that could not be
    opened has none."""

    system: Any
    stored: str
    member: str | None = None
    format: str | None = None
    member_pattern: str | None = None
    limits: UnpackLimits = DEFAULT_LIMITS
    _opened: list[IO[bytes]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def path(self) -> str:
        """What people read: where the file is, and in an archive which member."""
        return self.stored if self.member is None else f"{self.stored}/{self.member}"

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def is_archive(self) -> bool:
        return self.stored.lower().endswith(".zip")

    @property
    def is_compressed(self) -> bool:
        """Whether it cannot be read from any place at will."""
        return self.is_archive or bool(packing(self.name)[1])

    @property
    def kind(self) -> str:
        """`csv`, `json`, `parquet` or `excel`, as the feed says or by the name's ending.

        Raises:
            InputError: the ending is none that Rapport reads.
        """
        if self.format is not None:
            return self.format
        ending = PurePosixPath(packing(self.name)[0]).suffix.lower()
        if ending not in FORMATS:
            known = ", ".join(FORMATS)
            raise InputError(
                f"{self.path}: a file's ending says how it is written, and {ending or 'none'} is not known; "
                f"name it with one of {known}, each also with .gz or .zst, or write `format` under read"
            )
        return FORMATS[ending]

    @contextmanager
    def open_stored(self) -> Iterator[IO[bytes]]:
        """The file's bytes as they are stored.

        Raises:
            InputError: it is gone, or may not be read.
        """
        try:
            with failures_named(self.path):
                stream = self.system.open(self.stored, "rb")
        except FileNotFoundError:
            raise InputError(f"{self.path} is gone; it was there when the feed's files were listed") from None
        except PermissionError:
            raise InputError(f"{self.path} may not be read by this user; change its permissions") from None
        self._opened[:] = [stream]
        with stream, failures_named(self.path):
            yield stream

    def fraction_read(self) -> float | None:
        """Which part of the stored bytes the reader has taken, from 0 to 1; None where that says nothing."""
        stream = self._opened[0] if self._opened else None
        size = getattr(stream, "size", None)
        is_read_in_order = self.kind in ("csv", "json") or (self.kind == "parquet" and not self.is_compressed)
        if stream is None or not size or self.is_archive or not is_read_in_order:
            return None
        return 1.0 if stream.closed else min(stream.tell() / size, 1.0)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file's bytes, out of its archive and unpacked.

        Raises:
            InputError: likewise, or more comes out of it than the limits allow.
        """
        with self.open_stored() as stored:
            if not self.is_compressed:
                yield stored
                return
            size = stored.seek(0, 2)
            stored.seek(0)
            if self.is_archive:
                name = self.member
                if name is None:
                    name = members(stored, self.path, self.member_pattern, self.limits)[0].filename
                with (
                    member_stream(stored, self.path, name) as stream,
                    self._unpacked(stream, packing(name)[1], size) as content,
                ):
                    yield content
            else:
                with self._unpacked(stored, packing(self.name)[1], size) as content:
                    yield content

    @contextmanager
    def open_seekable(self) -> Iterator[IO[bytes]]:
        """Likewise, to be read from any place; what is compressed is unpacked to a temporary file."""
        with self.open() as stream:
            if not self.is_compressed:
                yield stream
                return
            with tempfile.TemporaryFile() as unpacked_file:
                shutil.copyfileobj(stream, unpacked_file, 1 << 20)
                unpacked_file.seek(0)
                yield unpacked_file

    @contextmanager
    def _unpacked(self, stream: IO[bytes], endings: list[str], size: int) -> Iterator[IO[bytes]]:
        if not endings:
            yield stream
            return
        with (
            unpacked(stream, endings[0], self.path, size, self.limits) as content,
            self._unpacked(content, endings[1:], size) as inner,
        ):
            yield inner

    def fingerprint(self) -> str:
        """Changes when the file is written anew: for an object store its entity tag and size, for other
        systems all that they tell of it, such as size, times and inode."""
        self.system.invalidate_cache(self.system._parent(self.stored))
        told = self.system.info(self.stored)
        versions = [told[key] for key in _VERSION_KEYS if told.get(key)]
        marks = [told.get("size"), versions[0]] if versions else sorted(map(str, told.items()))
        return hashlib.sha256(repr([self.member, marks]).encode()).hexdigest()

    def is_settled(self, seconds: float) -> bool:
        """Whether the fingerprint would show a write within these last seconds: clocks of file systems tick
        slowly, and object stores tell versions apart by themselves."""
        told = self.system.info(self.stored)
        if any(told.get(key) for key in _VERSION_KEYS):
            return True
        times = [_unix_time(told.get(key)) for key in _TIME_KEYS]
        return time.time() - max(times, default=0.0) > seconds

    def content_hash(self) -> str:
        """SHA-256, in hexadecimal, of the stored bytes; of an archive's member, of those that are its own."""
        digest = hashlib.sha256()
        with self.open_stored() as stream:
            if self.member is None:
                blocks = iter(lambda: stream.read(1 << 20), b"")
            else:
                blocks = packed_bytes(stream, self.stored, self.member)
            for block in blocks:
                digest.update(block)
        return digest.hexdigest()


def _unix_time(moment: object) -> float:
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment) if isinstance(moment, int | float) else 0.0
