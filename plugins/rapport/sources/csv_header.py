"""The header of a CSV file: the columns' names, in a line of it or given by the feed."""

import csv
import io
from dataclasses import dataclass

from rapport.errors import InputError
from rapport.sources.feed import Feed
from rapport.sources.mapped_columns import column_names, refuse_missing_columns
from rapport.sources.stored_file import SourceFile


@dataclass(frozen=True)
class Header:
    """The columns' names, and how many lines and bytes come before the first row."""

    names: list[str]
    lines: int
    bytes: int


def read_header(feed: Feed, file: SourceFile, block: bytes) -> Header:
    """The header in the file's first block, which is UTF-8. Columns without a name are known by position.

    Raises:
        InputError: there is none, it names a column twice, or a mapped column is missing.
    """
    header = _header_in(feed, file, block)
    _refuse_other_delimiter(feed, file, header.names)
    refuse_missing_columns(feed, file.path, header.names)
    return header


def _refuse_other_delimiter(feed: Feed, file: SourceFile, names: list[str]) -> None:
    found = [sign for sign in (";", "\t", "|", ",") if sign in names[0]]
    if len(names) == 1 and found and names[0] not in feed.columns.values():
        raise InputError(
            f"{file.path}, line {feed.read.header_row or 1}: no {feed.read.delimiter!r} separates its "
            f"values; write `delimiter: {found[0]!r}` under read"
        )


def _header_in(feed: Feed, file: SourceFile, block: bytes) -> Header:
    given = list(feed.read.column_names)
    row = feed.read.header_row or 1
    # As Latin-1 every byte is a character, so that characters can be counted instead.
    text = io.StringIO(block.decode("latin-1"), newline="")
    skipped = [line for _, line in zip(range(row - 1), text, strict=False)]
    taken: list[str] = []
    reader = csv.reader(
        (taken.append(line) or line for line in text),  # type: ignore[func-returns-value]
        delimiter=feed.read.delimiter,
        quotechar=feed.read.quote,
        quoting=csv.QUOTE_NONE if feed.read.quote is None else csv.QUOTE_MINIMAL,
        escapechar=feed.read.escape,
    )
    try:
        header = [name.encode("latin-1").decode("utf-8", "replace") for name in next(reader, [])]
    except csv.Error as error:
        raise InputError(f"{file.path}, line {row}: this is no line of column names ({error})") from None
    if not any(header):
        raise InputError(
            f"{file.path}, line {row} is blank; a header line with the columns' names is expected"
        )
    if feed.read.header_row is None:
        return Header(given or [str(place) for place in range(1, len(header) + 1)], 0, 0)
    if given and len(given) != len(header):
        raise InputError(
            f"{file.path}, line {row} has {len(header)} columns, and read.column_names names {len(given)}"
        )
    names = column_names(given or header, f"{file.path}, line {row}")
    return Header(names, row - 1 + len(taken), sum(map(len, skipped + taken)))
