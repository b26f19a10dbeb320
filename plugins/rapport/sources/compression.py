"""Packed bytes → unpacked ones, up to a limit: a small file that unpacks to a disk full of zeros stops."""

import gzip
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from rapport.errors import InputError

ENDINGS = (".gz", ".zst")
BLOCK = 1 << 20
HARMLESS = 256 << 20  # bytes; so much may come out of any file, however small it is


@dataclass(frozen=True)
class UnpackLimits:
    """How much may come out of a packed file: `size` bytes, and `ratio` times the bytes that are stored."""

    size: int = 64 << 30
    ratio: int = 250

    def allowed(self, stored: int) -> int:
        """The most bytes that a file of so many stored bytes may unpack to."""
        return min(self.size, max(HARMLESS, self.ratio * stored))

    def refusal(self, path: str, stored: int) -> InputError:
        """What someone is told whose file unpacks to more."""
        if self.allowed(stored) == self.size:
            return InputError(
                f"{path} unpacks to more than {_bytes(self.size)}, the limit; if it should hold that much, "
                "raise read.unpacked.size in the source file"
            )
        return InputError(
            f"{path} unpacks to more than {_bytes(self.allowed(stored))}, over {self.ratio} times its size, "
            "as archives do that are made to fill disks; if its content is right, raise read.unpacked.ratio "
            "in the source file"
        )


@contextmanager
def unpacked(
    stored: IO[bytes], ending: str, path: str, size: int, limits: UnpackLimits
) -> Iterator[IO[bytes]]:
    """The stream's content, unpacked as `ending` (.gz or .zst) says; `size` is that of the stored file.

    Raises:
        InputError: more comes out than the limits allow.
    """
    opened: Any
    if ending == ".gz":
        opened = gzip.GzipFile(fileobj=stored, mode="rb")
    else:
        opened = pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), "zstd")
    with opened as inner, io.BufferedReader(Limited(inner, path, size, limits), BLOCK) as outer:
        yield outer


DEFAULT_LIMITS = UnpackLimits()


class Limited(io.RawIOBase):
    """A stream that refuses to give more than the limits allow for so many stored bytes."""

    def __init__(self, stream: Any, path: str, size: int, limits: UnpackLimits) -> None:
        self._stream = stream
        self._path = path
        self._size = size
        self._limits = limits
        self._left = limits.allowed(size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        self._left -= len(block)
        if self._left < 0:
            raise self._limits.refusal(self._path, self._size)
        buffer[: len(block)] = block
        return len(block)


def packing(name: str) -> tuple[str, list[str]]:
    """The name without the endings of compression, and those, the outermost first."""
    endings = []
    while (ending := os.path.splitext(name)[1].lower()) in ENDINGS:
        endings.append(ending)
        name = name[: -len(ending)]
    return name, endings


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count} bytes"
