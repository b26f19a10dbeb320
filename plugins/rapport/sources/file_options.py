"""How files are written, from a source file's `read`, checked without opening any."""

import codecs
import re
from collections.abc import Iterator

from rapport.sources.compression import UnpackLimits, packing
from rapport.sources.feed import FileReading
from rapport.sources.mistakes import nearest
from rapport.sources.source_file import Read

_COMMON_ENCODINGS = ("utf-8", "utf-16", "latin-1", "iso-8859-1", "iso-8859-15", "cp1250", "cp1252", "ascii")
_TAB_ENDINGS = (".tsv", ".tab")
_UNITS = {"MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_SIZE = re.compile(r"([1-9][0-9]{0,5}) ?(MB|GB|TB)")
_NONE = "none"


def file_reading(read: Read, files: str) -> FileReading:
    """The options as readers want them; `files` is the path or URL with its variables filled in."""
    is_tabbed = packing(files.removesuffix(".zip"))[0].lower().endswith(_TAB_ENDINGS)
    return FileReading(
        files=files,
        encoding=read.encoding,
        delimiter=read.delimiter or ("\t" if is_tabbed else ","),
        connection=read.connection,
        format=read.format,
        member=read.member,
        unpacked=UnpackLimits(_bytes(read.unpacked.size) or 0, int(read.unpacked.ratio)),
        quote=None if read.quote == _NONE else read.quote,
        escape=read.escape,
        header_row=None if read.header_row == _NONE else int(read.header_row),
        column_names=read.column_names,
        records_at=read.records_at,
        sheet=read.sheet,
    )


def read_mistakes(read: Read) -> Iterator[tuple[str, str]]:
    """(key, sentence) of each option that cannot be."""
    try:
        codecs.lookup(read.encoding)
    except LookupError:
        wrong = read.encoding
        yield "read.encoding", f"there is no encoding {wrong}; {nearest(wrong, _COMMON_ENCODINGS)}"
    yield from _csv_mistakes(read)
    if read.header_row != _NONE and not re.fullmatch("[1-9][0-9]{0,3}", read.header_row):
        yield "read.header_row", f"{read.header_row!r} is no line; write its number, or none"
    if len(set(read.column_names)) < len(read.column_names) or "" in read.column_names:
        yield "read.column_names", "each column needs a name of its own"
    if _bytes(read.unpacked.size) is None:
        yield "read.unpacked.size", f"{read.unpacked.size!r} is no size; one looks like 500MB or 64GB"
    if not re.fullmatch("[1-9][0-9]{0,6}", read.unpacked.ratio):
        yield "read.unpacked.ratio", f"{read.unpacked.ratio!r} is no multiple; one looks like 250"
    yield from _misplaced(read)


def _csv_mistakes(read: Read) -> Iterator[tuple[str, str]]:
    signs = {"delimiter": read.delimiter, "quote": read.quote, "escape": read.escape}
    given = {name: sign for name, sign in signs.items() if sign is not None and sign != _NONE}
    for name, sign in given.items():
        if len(sign) != 1:
            example = {"delimiter": "',' or \"\\t\"", "quote": "'\"', or none", "escape": '"\\\\"'}[name]
            yield f"read.{name}", f"{sign!r} is no {name}; it is one character, such as {example}"
        elif not sign.isascii() or sign in "\r\n" or (name == "delimiter" and sign == '"'):
            use = "use ',', ';', '|' or \"\\t\"" if name == "delimiter" else "use a sign of ASCII"
            yield f"read.{name}", f"{sign!r} cannot {_PURPOSE[name]}; {use}"
    if len(set(given.values())) < len(given):
        yield "read", "delimiter, quote and escape must be different signs"


_PURPOSE = {"delimiter": "separate fields", "quote": "enclose values", "escape": "escape other signs"}
_ONLY_FOR = {
    "records_at": ("json",),
    "sheet": ("excel",),
    "header_row": ("csv", "excel"),
    "column_names": ("csv", "excel"),
    "delimiter": ("csv",),
    "quote": ("csv",),
    "escape": ("csv",),
}


def _misplaced(read: Read) -> Iterator[tuple[str, str]]:
    if read.format is None:
        return
    for option, formats in _ONLY_FOR.items():
        if option in read.model_fields_set and read.format not in formats:
            yield f"read.{option}", f"it is for {' and '.join(formats)}, and read.format is {read.format}"


def _bytes(written: str) -> int | None:
    match = _SIZE.fullmatch(written)
    return int(match[1]) * _UNITS[match[2]] if match else None
