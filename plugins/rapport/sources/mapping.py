"""Chunks of a source's text → rows of a stream, ready for COPY, and the rows that cannot be any.

Vectorised: what depends on a value alone is done once for each distinct value of a chunk.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from rapport.sources import phones, times, values
from rapport.sources.chunk import Chunk
from rapport.sources.explode import levels
from rapport.sources.feed import Feed, Mapping
from rapport.sources.json_objects import json_arrays, json_objects
from rapport.sources.local_times import Ambiguous, Nonexistent
from rapport.sources.masking import PERSONAL, masked
from rapport.sources.mistakes import nearest
from rapport.sources.source_columns import SourceColumns
from rapport.sources.source_file import Constant, FromColumn, Hashed, Joined
from rapport.streams import Column, ColumnType, Mode

LONGEST_KEY = 500  # characters; longer ones fit no index
IDENTIFIERS = ("customer_number", "email", "phone", "anonymous_id", "contact_id")
REJECTED = pa.schema(
    [
        ("line_number", pa.int64()),
        ("column_name", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
        ("record", pa.string()),
    ]
)


@dataclass(frozen=True)
class Mapped:
    """`rows` has line_number, the feed's stream columns as text that PostgreSQL parses exactly, and payload:
    the source columns that no mapping took, as a JSON object, null where none has a value. `rejected` is as
    `REJECTED` says, one row for each row of the source that is not in `rows`, with all of it in `record`."""

    rows: pa.RecordBatch
    rejected: pa.RecordBatch


def map_chunk(feed: Feed, chunk: Chunk) -> Mapped:
    """Apply the feed's mapping, types and checks. Loses no row: each is in `rows` or in `rejected`."""
    source = chunk.rows
    columns: dict[str, pa.StringArray] = {}
    faults = _Faults(source.num_rows)
    faults.note_nul_characters(source)
    sources = SourceColumns(source)
    given = {name: _source_value(mapping, sources, source.num_rows) for name, mapping in feed.columns.items()}
    faults.note_broken_nesting(sources)
    faults.note_nested_nul_characters(feed, sources, given)
    unparsed: dict[str, pa.StringArray] = {}
    for column in feed.definition.columns:
        if column.name not in given:
            continue
        value = given[column.name]
        if column.type is ColumnType.PHONE:
            columns[column.name] = _phones(value, given.get("country"))
            unparsed[_shown_name(feed, column)] = pc.if_else(columns[column.name].is_null(), value, None)
        else:
            columns[column.name] = _typed(value, column, feed.columns[column.name])
            expected = _expected(column, feed.columns[column.name])
            faults.note_wrong_type(column, value, columns[column.name], expected)
        faults.note_broken_rules(column, columns[column.name], feed)
    payload = json_objects(_left_over(feed, source) | unparsed, source.num_rows)
    rows = pa.RecordBatch.from_pydict({"line_number": chunk.lines, **columns, "payload": payload})
    if faults.are_none:
        return Mapped(rows, _unreadable(chunk))
    rejected = pa.concat_batches([faults.rejected(chunk, given), _unreadable(chunk)])
    return Mapped(rows.filter(faults.reason.is_null()), rejected)


class _Faults:
    """The first fault of each row: its column and what is wrong."""

    def __init__(self, rows: int) -> None:
        self.column = pa.nulls(rows, pa.string())
        self.reason = pa.nulls(rows, pa.string())

    @property
    def are_none(self) -> bool:
        return bool(self.reason.null_count == len(self.reason))

    def note_nul_characters(self, source: pa.RecordBatch) -> None:
        for name, values_ in zip(source.schema.names, source.columns, strict=True):
            has_nul = pc.match_substring(values_, "\0")
            self._note(has_nul, name, f"{name} holds a NUL character, which no text may hold")

    def note_broken_nesting(self, sources: SourceColumns) -> None:
        for name, broken in sources.broken.items():
            self._note(broken, name, f"{name} is no JSON, and the mapping looks for a value in it")

    def note_nested_nul_characters(
        self, feed: Feed, sources: SourceColumns, given: dict[str, pa.StringArray]
    ) -> None:
        for name, references in feed.source_columns.items():
            if any(map(sources.is_nested, references)):
                has_nul = pc.match_substring(given[name], "\0")
                self._note(has_nul, name, f"{name} holds a NUL character, which no text may hold")

    def note_wrong_type(
        self, column: Column, given: pa.StringArray, typed: pa.StringArray, expected: str
    ) -> None:
        if typed.null_count > given.null_count:
            reason = f"{column.name} {expected}"
            self._note(pc.and_(given.is_valid(), typed.is_null()), column.name, reason)

    def note_broken_rules(self, column: Column, typed: pa.StringArray, feed: Feed) -> None:
        is_key = column.name in feed.definition.key
        # A snapshot without the whole key cannot say which record is gone.
        is_required = column.required or (is_key and feed.mode is Mode.SNAPSHOT)
        if is_required and typed.null_count:
            self._note(typed.is_null(), column.name, f"{column.name} is required and missing")
        if column.choices:
            unknown = pc.invert(pc.is_in(typed, pa.array([*column.choices, None], pa.string())))
            if pc.any(unknown).as_py():
                reason = f"{column.name} must be one of {', '.join(column.choices)}"
                for wrong in pc.unique(typed.filter(unknown)).to_pylist()[:100]:
                    self._note(
                        pc.equal(typed, wrong), column.name, f"{reason}; {nearest(wrong, column.choices)}"
                    )
                self._note(unknown, column.name, reason)
        if column.least is not None or column.most is not None:
            outside = pc.invert(values.within(typed, column.least, column.most))
            self._note(outside, column.name, f"{column.name} {values.bounds(column.least, column.most)}")
        if is_key or column.name in IDENTIFIERS:
            too_long = pc.greater(pc.utf8_length(typed), LONGEST_KEY)
            self._note(too_long, column.name, f"{column.name} is longer than {LONGEST_KEY} characters")

    def rejected(self, chunk: Chunk, given: dict[str, pa.StringArray]) -> pa.RecordBatch:
        """The faulty rows as `REJECTED`; values of personal columns are masked."""
        wrong = self.reason.is_valid()
        records = chunk.rows.filter(wrong)
        columns = self.column.filter(wrong)
        found = pa.nulls(len(columns), pa.string())
        for name in pc.unique(columns).to_pylist():
            at = given[name] if name in given else chunk.rows.column(name)
            # Of a column that no mapping takes nobody knows what it holds.
            shown = masked(at.filter(wrong), is_personal=name in PERSONAL or name not in given)
            found = pc.if_else(pc.equal(columns, name), shown, found)
        return pa.RecordBatch.from_arrays(
            [
                chunk.lines.filter(wrong),
                columns,
                pc.replace_substring(found, "\0", "\N{REPLACEMENT CHARACTER}"),
                self.reason.filter(wrong),
                _records(records),
            ],
            schema=REJECTED,
        )

    def _note(self, where: pa.BooleanArray, column: str, reason: str) -> None:
        where = pc.fill_null(where, False)
        if pc.any(where).as_py():
            new = pc.and_(where, self.reason.is_null())
            self.column = pc.if_else(new, column, self.column)
            self.reason = pc.if_else(new, reason, self.reason)


def _source_value(mapping: Mapping, sources: SourceColumns, rows: int) -> pa.StringArray:
    match mapping:
        case str():
            return sources.get(mapping)
        case FromColumn():
            return _changed(mapping, sources.get(mapping.column))
        case Constant(value=value):
            return pa.repeat(pa.scalar(value or None, pa.string()), rows)
        case Joined():
            parts = [sources.get(name) for name in mapping.join]
            joined = pc.binary_join_element_wise(
                *parts, mapping.separator, null_handling="replace", null_replacement=""
            )
            return pc.if_else(_all_missing(parts), None, joined)
        case Hashed():
            parts = [sources.get(name) for name in mapping.hash]
            # As JSON, ("ab", "c") and ("a", "bc") differ, and so do "" and nothing.
            texts = json_arrays(parts).to_pylist()
            hashes = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]
            return pc.if_else(_all_missing(parts), None, pa.array(hashes, pa.string()))


def _all_missing(parts: list[pa.StringArray]) -> pa.BooleanArray:
    missing = parts[0].is_null()
    for part in parts[1:]:
        missing = pc.and_(missing, part.is_null())
    return missing


def _changed(mapping: FromColumn, column: pa.StringArray) -> pa.StringArray:
    if not mapping.null_values and not mapping.strip_suffix and mapping.map is None:
        return column
    encoded = column.dictionary_encode()
    texts = encoded.dictionary
    if mapping.null_values:
        texts = pc.if_else(pc.is_in(texts, pa.array(mapping.null_values, pa.string())), None, texts)
    if mapping.strip_suffix:
        shorter = pc.utf8_slice_codeunits(texts, 0, stop=-len(mapping.strip_suffix))
        texts = pc.if_else(pc.ends_with(texts, mapping.strip_suffix), shorter, texts)
    if mapping.map is not None:
        place = pc.index_in(texts, pa.array(list(mapping.map), pa.string()))
        named = pa.array(list(mapping.map.values()), pa.string()).take(place)
        rest = texts if mapping.otherwise is None else pc.if_else(texts.is_valid(), mapping.otherwise, None)
        texts = pc.if_else(place.is_valid(), named, rest)
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    return texts.take(encoded.indices)


def _typed(column: pa.StringArray, definition: Column, mapping: Mapping) -> pa.StringArray:
    """The column as texts of its type; null also where a text is none of it."""
    options = mapping if isinstance(mapping, FromColumn) else FromColumn(column="")
    parse: Callable[[pa.StringArray], pa.StringArray]
    match definition.type:
        case ColumnType.TEXT:
            return column
        case ColumnType.TIMESTAMP:
            parse = partial(
                times.utc_times,
                zone=options.time_zone,
                written=options.format,
                ambiguous=options.ambiguous,
                nonexistent=options.nonexistent,
            )
        case ColumnType.DATE:
            parse = partial(times.dates, written=options.format)
        case ColumnType.INTEGER | ColumnType.NUMERIC:
            parse = partial(_numbers, type_=definition.type, options=options)
        case _:
            parse = values.PARSERS[definition.type]
    encoded = column.dictionary_encode()
    return parse(encoded.dictionary).take(encoded.indices)


def _expected(column: Column, mapping: Mapping) -> str:
    """What a value of the column that is none of its type is told."""
    expected = values.EXPECTED.get(column.type, "")
    if not isinstance(mapping, FromColumn):
        return expected
    if column.type is ColumnType.NUMERIC and (mapping.decimal != "." or mapping.thousands):
        return f"is no number; one looks like 1{mapping.thousands or ''}234{mapping.decimal}50"
    if mapping.format is not None:
        return f"is no time in 1900 to 2200 that is written as {mapping.format}"
    if Ambiguous.REJECT is mapping.ambiguous or Nonexistent.REJECT is mapping.nonexistent:
        return f"{expected}; nor may it lie where the clocks of {mapping.time_zone} change"
    return expected


def _numbers(texts: pa.StringArray, *, type_: ColumnType, options: FromColumn) -> pa.StringArray:
    if options.decimal != "." or options.thousands is not None:
        texts = values.in_point_notation(texts, options.decimal, options.thousands)
    numbers = values.PARSERS[type_](texts)
    return numbers if options.scale is None else values.scaled(numbers, options.scale)


def _phones(numbers: pa.StringArray, countries: pa.StringArray | None) -> pa.StringArray:
    if countries is None:
        countries = pa.nulls(len(numbers), pa.string())
    pairs = pc.binary_join_element_wise(pc.fill_null(countries, ""), numbers, "\0").dictionary_encode()
    parsed = []
    for pair in pairs.dictionary.to_pylist():
        country, _, number = pair.partition("\0")
        parsed.append(phones.to_e164(number, country))
    return pa.array(parsed, pa.string()).take(pairs.indices)


def _shown_name(feed: Feed, column: Column) -> str:
    sources = feed.source_columns[column.name]
    return sources[0] if len(sources) == 1 else column.name


def _left_over(feed: Feed, source: pa.RecordBatch) -> dict[str, pa.StringArray]:
    """What no mapping took: a nested value stays whole, and so does an element; of a record that was exploded
    the rest belongs to all of its rows and to none."""
    taken = {name for names in feed.source_columns.values() for name in names}
    kept = source.schema.names if feed.explode is None else levels(feed.explode)
    return {name: source.column(name) for name in kept if name not in taken}


def _records(rows: pa.RecordBatch) -> pa.StringArray:
    """Each row as a JSON object; a NUL, which PostgreSQL cannot hold, is shown as a replacement character."""
    columns = {
        name: pc.replace_substring(column, "\0", "\N{REPLACEMENT CHARACTER}")
        for name, column in zip(rows.schema.names, rows.columns, strict=True)
    }
    return pc.fill_null(json_objects(columns, rows.num_rows), "{}")


def _unreadable(chunk: Chunk) -> pa.RecordBatch:
    count = len(chunk.unreadable)
    texts = pa.array(
        [row.text.replace("\0", "\N{REPLACEMENT CHARACTER}") for row in chunk.unreadable], pa.string()
    )
    return pa.RecordBatch.from_arrays(
        [
            pa.array([row.line_number for row in chunk.unreadable], pa.int64()),
            pa.nulls(count, pa.string()),
            pa.nulls(count, pa.string()),
            pa.array([row.reason for row in chunk.unreadable], pa.string()),
            json_objects({"text": texts}, count),
        ],
        schema=REJECTED,
    )
