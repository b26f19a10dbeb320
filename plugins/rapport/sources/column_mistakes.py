"""What is wrong with a source file's columns, found without reading any data."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

from rapport.sources.explode import levels
from rapport.sources.feed import source_columns
from rapport.sources.mistakes import nearest
from rapport.sources.paths import EACH
from rapport.sources.source_file import Constant, FromColumn, SourceFile
from rapport.sources.times import ISO_FORMAT
from rapport.streams import Column, ColumnType, Stream

_NUMBERS = (ColumnType.NUMERIC, ColumnType.INTEGER)
_TIMES = (ColumnType.TIMESTAMP, ColumnType.DATE)
_THOUSANDS = (".", ",", "'", "_", " ")
_SCALE = r"-?[0-9]{1,15}(\.[0-9]{1,15})?"
_EXPLODE = re.compile(r"[^.\[\]]+(\.[^.\[\]]+)*(\[\]\.[^.\[\]]+(\.[^.\[\]]+)*)*\[\]")


def column_mistakes(file: SourceFile, stream: Stream) -> Iterator[tuple[str, str]]:
    """(key, sentence) of each mistake in the mapping."""
    yield from name_mistakes(file.columns, stream)
    for column in stream.columns:
        match file.columns.get(column.name):
            case FromColumn() as mapping:
                yield from _option_mistakes(mapping, column)
            case Constant(value=value):
                yield from _choice_mistakes(f"columns.{column.name}.value", value, column)


def name_mistakes(columns: Mapping[str, object], stream: Stream) -> Iterator[tuple[str, str]]:
    """(key, sentence) of each column that the stream has not, or requires and has not got."""
    names = [column.name for column in stream.columns]
    unknown = [str(name) for name in columns if name not in names]
    for name in unknown:
        yield f"columns.{name}", f"{stream.name} has no column {name}; {nearest(name, names)}"
    for column in stream.columns:
        if column.required and column.name not in columns:
            yield "columns", f"{stream.name} requires {column.name}, and no source column is mapped to it"


def explode_mistakes(file: SourceFile) -> Iterator[tuple[str, str]]:
    """(key, sentence) of a list that cannot be exploded, and of columns that count on another one."""
    if file.explode is None:
        return
    if not _EXPLODE.fullmatch(file.explode):
        yield (
            "explode",
            f"{file.explode!r} names no list; write line_items[], or refunds[].refund_line_items[] for a "
            "list within a list",
        )
        return
    known = levels(file.explode)
    for name, mapping in file.columns.items():
        for reference in source_columns(mapping):
            written = reference[: reference.rindex(EACH) + len(EACH)] if EACH in reference else None
            if written is not None and written not in known:
                yield f"columns.{name}", f"{written} is not exploded; {nearest(written, known)}"


def _option_mistakes(mapping: FromColumn, column: Column) -> Iterator[tuple[str, str]]:
    key = f"columns.{column.name}"
    yield from _time_mistakes(key, mapping, column)
    yield from _number_mistakes(key, mapping, column)
    if mapping.otherwise is not None and mapping.map is None:
        yield f"{key}.otherwise", "it says what values become that `map` does not name, and there is no map"
    for value in (mapping.map or {}).values():
        yield from _choice_mistakes(f"{key}.map", value, column)
    if mapping.otherwise is not None:
        yield from _choice_mistakes(f"{key}.otherwise", mapping.otherwise, column)


def _time_mistakes(key: str, mapping: FromColumn, column: Column) -> Iterator[tuple[str, str]]:
    if mapping.time_zone is not None:
        if column.type is not ColumnType.TIMESTAMP:
            yield f"{key}.time_zone", f"{column.name} is {column.type}, and only times have a zone"
        elif not _is_time_zone(mapping.time_zone):
            near = nearest(mapping.time_zone, available_timezones())
            hint = near if near.startswith("did you mean") else "write it as in Europe/London"
            yield f"{key}.time_zone", f"there is no time zone {mapping.time_zone}; {hint}"
    else:
        for option in ("ambiguous", "nonexistent"):
            if option in mapping.model_fields_set:
                yield f"{key}.{option}", "it is about the clocks of a zone, and there is no time_zone"
    if mapping.format is not None:
        if column.type not in _TIMES:
            yield f"{key}.format", f"{column.name} is {column.type}, and only times and dates have a format"
        elif not _is_time_format(mapping.format):
            yield (
                f"{key}.format",
                f'{mapping.format!r} is no strptime format; one looks like "%d/%m/%Y %H:%M"',
            )


def _number_mistakes(key: str, mapping: FromColumn, column: Column) -> Iterator[tuple[str, str]]:
    if column.type not in _NUMBERS:
        for option in ("decimal", "thousands", "scale"):
            if option in mapping.model_fields_set:
                yield f"{key}.{option}", f"{column.name} is {column.type}, and only numbers have one"
        return
    if mapping.decimal not in (".", ","):
        yield f"{key}.decimal", f'{mapping.decimal!r} is no decimal sign; write "." or ","'
    if mapping.thousands is not None and mapping.thousands not in _THOUSANDS:
        valid = " ".join(map(repr, _THOUSANDS))
        yield f"{key}.thousands", f"{mapping.thousands!r} stands between no thousands; write one of {valid}"
    if mapping.thousands == mapping.decimal:
        yield f"{key}.thousands", 'it is the decimal sign too; where that is a comma, add `decimal: ","`'
    if mapping.scale is not None:
        if column.type is not ColumnType.NUMERIC:
            yield f"{key}.scale", f"{column.name} is a whole number, and those have no unit to change"
        elif not re.fullmatch(_SCALE, mapping.scale) or not Decimal(mapping.scale):
            yield f"{key}.scale", f"{mapping.scale!r} is no number to multiply by; one looks like 0.01"


def _choice_mistakes(key: str, value: str, column: Column) -> Iterator[tuple[str, str]]:
    if column.choices and value and value not in column.choices:
        yield key, f"{column.name} cannot be {value!r}; {nearest(value, column.choices)}"


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _is_time_format(written: str) -> bool:
    noon = datetime(2001, 2, 3, 4, 5, 6)
    if written == ISO_FORMAT:
        return True
    try:
        return "%" in written and bool(datetime.strptime(noon.strftime(written), written))
    except (ValueError, IndexError):
        return "%z" in written


def only_mistakes(file: SourceFile) -> Iterator[tuple[str, str]]:
    """What is wrong with the references under `only`."""
    for reference, values in file.only.items():
        if not values:
            yield f"only.{reference}", "no row has one of no values; name the values that a row may have"
