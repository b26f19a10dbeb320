"""Files: the same bytes on every machine, each there whole or not at all."""

import errno
import io
import os
import struct
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rapport.errors import DiskFull

# A gzip header without name and time. Arrow brings its own zlib: that of the machine may compress otherwise.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def gzipped(content: bytes) -> bytes:
    """The content as a gzip stream."""
    packed: bytes = pa.Codec("gzip", compression_level=4).compress(content, asbytes=True)
    body = packed[len(_GZIP_HEADER) : -8]
    return _GZIP_HEADER + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def csv(rows: pd.DataFrame, separator: str = ",") -> bytes:
    """The rows as CSV in UTF-8, with a header."""
    text: str = rows.to_csv(index=False, lineterminator="\n", sep=separator)
    return text.encode()


def parquet(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def write(path: Path, content: bytes) -> None:
    """Put the content there in one go, under a name that no feed's pattern matches until it is complete.

    Raises:
        DiskFull: there is no room for it.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFull(
            f"no room left for {path} ({len(content):,} bytes); free some and run again"
        ) from error
