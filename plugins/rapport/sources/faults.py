"""Where exactly a file went wrong: a second, careful pass, taken only when the first has failed."""

import codecs
import errno
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NoReturn

import pyarrow as pa

from rapport.errors import InputError
from rapport.sources.feed import Feed
from rapport.sources.stored_file import SourceFile

UNREADABLE = (OSError, EOFError, UnicodeError, zlib.error, zipfile.BadZipFile, pa.ArrowException)
LONGEST_ROW = 3 << 20  # bytes; also the blocks that CSV is read in, of which Arrow may read 32 ahead


def decoder(encoding: str) -> codecs.IncrementalDecoder | None:
    """What turns the encoding into text, or None for UTF-8, which the readers take as it is."""
    name = codecs.lookup(encoding).name
    return None if name in ("utf-8", "utf-8-sig", "ascii") else codecs.getincrementaldecoder(name)("strict")


def explain(feed: Feed, file: SourceFile, error: BaseException) -> NoReturn:
    """Refuse the file with what is wrong in it and where.

    Raises:
        InputError: always, but for a disk that is full, which is no fault of the file.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise error
    if file.is_compressed:
        refuse_broken_packing(file)
    if file.kind in ("csv", "json"):
        _refuse_wrong_encoding(feed, file)
    if file.kind == "csv":
        refuse_open_quote(feed, file)
        if "straddling" in str(error):
            raise InputError(
                f"{file.path}: a row is longer than {LONGEST_ROW >> 20} MB; is read.delimiter right, and "
                "does each row end in a newline?"
            ) from None
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if file.kind == "parquet":
        raise InputError(
            f"{file.path} is no whole Parquet file ({reason}); was it cut off, or is it written otherwise "
            "than its ending says?"
        ) from error
    raise InputError(f"{file.path} cannot be read: {reason}") from error


def refuse_open_quote(feed: Feed, file: SourceFile) -> None:
    """Refuse the file if it ends inside a quoted value, or if one is longer than any row may be.

    Raises:
        InputError: naming the line on which the quote was opened.
    """
    opened = _line_of_open_quote(feed, file)
    if opened is not None:
        raise InputError(
            f"{file.path}, line {opened}: a quote is opened and never closed; was the file cut off? "
            'Inside a quoted value a quote is written twice ("")'
        )


def _line_of_open_quote(feed: Feed, file: SourceFile) -> int | None:
    read, opened, length = feed.read, None, 0
    with file.open() as stream, io.TextIOWrapper(stream, read.encoding, "replace", newline="\n") as text:
        for number, line in enumerate(text, 1):
            if read.escape is not None:
                line = re.sub(re.escape(read.escape) + ".", "__", line)
            inside = _is_open_after(line, read.delimiter, read.quote or '"', opened is not None)
            if inside is None:
                opened, length = None, 0
                continue
            if opened is None or not inside:
                opened, length = number, 0
            length += len(line)
            if length > LONGEST_ROW:
                return opened
    return opened


def _is_open_after(line: str, delimiter: str, quote: str, is_open: bool) -> bool | None:
    """None if the line ends outside of quotes; else whether it did so in the quote it began in."""
    position, still_first = 0, is_open
    while True:
        if is_open:
            position = line.find(quote, position)
            if position < 0:
                return still_first
            if line[position + 1 : position + 2] == quote:
                position += 2
                continue
            is_open, still_first = False, False
        elif line[position : position + 1] == quote:
            is_open = True
            position += 1
            continue
        position = line.find(delimiter, position) + 1
        if position == 0:
            return None


def refuse_broken_packing(file: SourceFile) -> None:
    """Refuse the file if it cannot be unpacked to its end.

    Raises:
        InputError: naming the last line that could be; or it unpacks to more than the limits allow.
    """
    ending = PurePosixPath(file.path).suffix.lower()
    if ending == ".gz" and not file.is_archive:
        _refuse_broken_gzip(file)
        return
    lines = 0
    try:
        with file.open() as stream:
            while block := stream.read(1 << 12):
                lines += block.count(b"\n")
    except UNREADABLE as error:
        place = f"after line {lines}" if lines else "at its beginning"
        if ending == ".zst" and not _begins_as_zstd(file):
            raise InputError(f"{file.path} ends in .zst and is not zstd; rename it or compress it") from None
        if isinstance(error, EOFError) or "Truncated" in str(error):
            raise InputError(
                f"{file.path}: what is packed ends early, {place}; the file was cut off, fetch it again"
            ) from None
        raise InputError(
            f"{file.path}: what is packed is damaged {place} ({error}); fetch the file again"
        ) from None


def _begins_as_zstd(file: SourceFile) -> bool:
    with file.open_stored() as stream:
        return file.is_archive or stream.read(4)[1:] in (b"\xb5\x2f\xfd", b"\x2a\x4d\x18")


def _refuse_broken_gzip(file: SourceFile) -> None:
    lines, unpacker, is_gzip = 0, zlib.decompressobj(wbits=31), None
    with file.open_stored() as stored:
        while block := stored.read(1 << 16):
            is_gzip = block.startswith(b"\x1f\x8b") if is_gzip is None else is_gzip
            while block:
                try:
                    lines += unpacker.decompress(block).count(b"\n")
                except zlib.error as error:
                    raise InputError(_gzip_damage(file, lines, is_gzip, str(error))) from None
                block = unpacker.unused_data.lstrip(b"\0")
                if unpacker.eof and block:
                    unpacker = zlib.decompressobj(wbits=31)
    if not unpacker.eof:
        raise InputError(
            f"{file.path}: the gzip stream ends early, after line {lines}; the file was cut off, "
            "fetch it again"
        )


def _gzip_damage(file: SourceFile, lines: int, is_gzip: bool, reason: str) -> str:
    if not is_gzip:
        return f"{file.path} ends in .gz and is not gzip; rename it or compress it"
    return f"{file.path}: the gzip stream is damaged after line {lines} ({reason}); fetch the file again"


def _refuse_wrong_encoding(feed: Feed, file: SourceFile) -> None:
    encoding = feed.read.encoding
    _refuse_utf_16(file, encoding)
    for number, line in _lines(file):
        try:
            line.decode(encoding)
        except UnicodeDecodeError as error:
            if "16" in encoding or "32" in encoding:
                continue  # lines cannot be told apart by the byte that ends them
            raise InputError(
                f"{file.path}, line {number}, byte {error.start + 1}: {line[error.start]:#04x} is not "
                f"{encoding}; write `encoding: {_likely_encoding(line)}` under read, or save the file as "
                f"{encoding}"
            ) from None
    if "16" in encoding or "32" in encoding:
        with file.open() as stream:
            try:
                codecs.decode(stream.read(), encoding)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{file.path}, byte {error.start + 1}: this is not {encoding}; mend `encoding` under read"
                ) from None


def _refuse_utf_16(file: SourceFile, encoding: str) -> None:
    with file.open() as stream:
        begins = stream.read(2)
    if begins in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and decoder(encoding) is None:
        raise InputError(f"{file.path}, line 1: this is UTF-16; write `encoding: utf-16` under read")


def _likely_encoding(line: bytes) -> str:
    # Both read any byte that matters; those from 0x80 to 0x9f are letters and signs in cp1252 only.
    return "cp1252" if any(0x80 <= byte <= 0x9F for byte in line) else "latin-1"


def _lines(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    with file.open() as stream:
        readable: Any = stream
        yield from enumerate(readable, 1)
