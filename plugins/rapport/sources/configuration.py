"""Source files → feeds, with every mistake in every file found in one pass."""

import codecs
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo, available_timezones

from pydantic import ValidationError

from rapport.errors import ConfigurationError
from rapport.settings import Settings
from rapport.sources.explode import levels
from rapport.sources.feed import Feed, FileReading, FreshnessLimits, mapping_hash, source_columns
from rapport.sources.limits import batch_limits, limit_mistakes
from rapport.sources.mistakes import nearest, shape_mistakes
from rapport.sources.paths import EACH
from rapport.sources.source_file import Constant, FromColumn, SourceFile
from rapport.sources.yaml_text import read_yaml
from rapport.streams import STREAMS, Column, ColumnType, Mode, Stream

_COMMON_ENCODINGS = ("utf-8", "utf-16", "latin-1", "iso-8859-1", "iso-8859-15", "cp1250", "cp1252", "ascii")
_EXPLODE = re.compile(r"[^.\[\]]+(\.[^.\[\]]+)*(\[\]\.[^.\[\]]+(\.[^.\[\]]+)*)*\[\]")
_TIMES = (ColumnType.TIMESTAMP, ColumnType.DATE)


def read_feeds(settings: Settings) -> list[Feed]:
    """All feeds, sorted by the name of their source file. Reads no data.

    Raises:
        ConfigurationError: a line for each mistake in each file, naming file, key and what is right.
    """
    folder = settings.config / "sources"
    if not folder.is_dir():
        raise ConfigurationError(
            f"there is no folder {folder}; put one YAML file a source into it, or set RAPPORT_CONFIG to the "
            "configuration folder that has one"
        )
    paths = sorted(
        p for p in folder.iterdir() if p.suffix in (".yml", ".yaml") and not p.name.startswith(".")
    )
    feeds: list[Feed] = []
    mistakes: list[str] = []
    for path in paths:
        try:
            feed, sentences = _read_feed(path, settings)
        except ConfigurationError as error:
            mistakes.append(str(error))
            continue
        mistakes += [f"{path}: {key}: {sentence}" for key, sentence in sentences]
        if feed is not None:
            if any(feed.name == other.name for other in feeds):
                mistakes.append(
                    f"{path}: another file here has the same name with another ending; rename one"
                )
            feeds.append(feed)
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return feeds


def _read_feed(path: Path, settings: Settings) -> tuple[Feed | None, list[tuple[str, str]]]:
    given = read_yaml(path)
    if not isinstance(given, dict):
        raise ConfigurationError(
            f"{path}: a source file names at least stream, read and columns; this one is empty"
        )
    try:
        file = SourceFile.model_validate(given)
    except ValidationError as error:
        # What can be checked of a file of the wrong shape is checked all the same.
        return None, [*shape_mistakes(error), *_column_mistakes_anyway(given)]
    sentences = [*_read_mistakes(file), *_freshness_mistakes(file), *limit_mistakes(file.limits)]
    try:
        files = _resolve(file.read.files, settings)
    except KeyError as error:
        sentences.append(("read.files", f"the environment variable ${error.args[0]} is not set"))
    except ValueError:
        sentences.append(
            ("read.files", "a $ must begin the name of an environment variable; write $$ for the sign")
        )
    stream = STREAMS.get(file.stream)
    if stream is None:
        return None, [
            *sentences,
            ("stream", f"there is no stream {file.stream}; {nearest(file.stream, STREAMS)}"),
        ]
    sentences += [
        *_mode_mistakes(file, stream),
        *_column_mistakes(file, stream),
        *_explode_mistakes(file),
    ]
    if sentences:
        return None, sentences
    source = file.source or path.stem
    mode = Mode(file.mode) if file.mode else stream.default_mode
    read = FileReading(files, file.read.encoding, file.read.delimiter)
    return Feed(
        name=path.stem,
        source=source,
        stream=stream.name,
        mode=mode,
        read=read,
        columns=dict(file.columns),
        freshness=_limits(file),
        limits=batch_limits(file.limits),
        mapping_hash=mapping_hash(stream.name, source, mode, read, dict(file.columns), file.explode),
        explode=file.explode,
    ), []


def _resolve(files: str, settings: Settings) -> str:
    """The path or URL with its variables filled in; relative paths start beside the config folder.

    Raises:
        KeyError: a variable is not set. ValueError: a `$` that begins no name.
    """
    files = Template(files).substitute({**os.environ, "RAPPORT_HOME": str(settings.home)})
    if "://" in files:
        return files
    return os.path.normpath(settings.config.parent / Path(files).expanduser())


def _column_mistakes_anyway(given: dict[str, object]) -> Iterator[tuple[str, str]]:
    stream, columns = given.get("stream"), given.get("columns")
    if isinstance(stream, str) and stream not in STREAMS:
        yield "stream", f"there is no stream {stream}; {nearest(stream, STREAMS)}"
    elif isinstance(stream, str) and isinstance(columns, dict):
        yield from _name_mistakes(columns, STREAMS[stream])


def _read_mistakes(file: SourceFile) -> Iterator[tuple[str, str]]:
    try:
        codecs.lookup(file.read.encoding)
    except LookupError:
        wrong = file.read.encoding
        yield "read.encoding", f"there is no encoding {wrong}; {nearest(wrong, _COMMON_ENCODINGS)}"
    if not file.read.delimiter.isascii() or file.read.delimiter in '"\r\n':
        yield (
            "read.delimiter",
            f"{file.read.delimiter!r} cannot separate fields; use ',', ';', '|' or \"\\t\"",
        )


def _mode_mistakes(file: SourceFile, stream: Stream) -> Iterator[tuple[str, str]]:
    mode = file.mode or stream.default_mode.value
    if mode not in stream.modes:
        yield "mode", f"{stream.name} cannot be delivered as {mode}; {nearest(mode, stream.modes)}"
    elif mode == Mode.VERSIONS and not any(name in file.columns for name in stream.version):
        yield (
            "columns",
            f"mode versions needs a column that orders the versions: map {' or '.join(stream.version)}",
        )
    elif mode == Mode.SNAPSHOT:
        for name in stream.key:
            if name not in file.columns:
                yield "columns", f"mode snapshot needs the column that names the record: map {name}"


def _explode_mistakes(file: SourceFile) -> Iterator[tuple[str, str]]:
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


def _name_mistakes(columns: Mapping[str, object], stream: Stream) -> Iterator[tuple[str, str]]:
    names = [column.name for column in stream.columns]
    unknown = [str(name) for name in columns if name not in names]
    for name in unknown:
        yield f"columns.{name}", f"{stream.name} has no column {name}; {nearest(name, names)}"
    for column in stream.columns:
        if column.required and column.name not in columns:
            yield "columns", f"{stream.name} requires {column.name}, and no source column is mapped to it"


def _column_mistakes(file: SourceFile, stream: Stream) -> Iterator[tuple[str, str]]:
    yield from _name_mistakes(file.columns, stream)
    for column in stream.columns:
        match file.columns.get(column.name):
            case FromColumn() as mapping:
                yield from _option_mistakes(mapping, column)
            case Constant(value=value):
                yield from _choice_mistakes(f"columns.{column.name}.value", value, column)


def _option_mistakes(mapping: FromColumn, column: Column) -> Iterator[tuple[str, str]]:
    key = f"columns.{column.name}"
    if mapping.time_zone is not None:
        if column.type is not ColumnType.TIMESTAMP:
            yield f"{key}.time_zone", f"{column.name} is {column.type}, and only times have a zone"
        elif not _is_time_zone(mapping.time_zone):
            near = nearest(mapping.time_zone, available_timezones())
            hint = near if near.startswith("did you mean") else "write it as in Europe/London"
            yield f"{key}.time_zone", f"there is no time zone {mapping.time_zone}; {hint}"
    if mapping.format is not None:
        if column.type not in _TIMES:
            yield f"{key}.format", f"{column.name} is {column.type}, and only times and dates have a format"
        elif not _is_time_format(mapping.format):
            yield (
                f"{key}.format",
                f'{mapping.format!r} is no strptime format; one looks like "%d/%m/%Y %H:%M"',
            )
    if mapping.otherwise is not None and mapping.map is None:
        yield f"{key}.otherwise", "it says what values become that `map` does not name, and there is no map"
    for value in (mapping.map or {}).values():
        yield from _choice_mistakes(f"{key}.map", value, column)
    if mapping.otherwise is not None:
        yield from _choice_mistakes(f"{key}.otherwise", mapping.otherwise, column)


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
    try:
        return "%" in written and bool(datetime.strptime(noon.strftime(written), written))
    except (ValueError, IndexError):
        return "%z" in written


def _limits(file: SourceFile) -> FreshnessLimits | None:
    if file.freshness is None:
        return None
    return FreshnessLimits(_duration(file.freshness.warn_after), _duration(file.freshness.error_after))


def _duration(written: str | None) -> timedelta | None:
    if written is None:
        return None
    unit = {"m": "minutes", "h": "hours", "d": "days"}[written[-1]]
    return timedelta(**{unit: int(written[:-1])})


def _freshness_mistakes(file: SourceFile) -> Iterator[tuple[str, str]]:
    limits = _limits(file)
    if limits and limits.warn_after and limits.error_after and limits.warn_after > limits.error_after:
        yield "freshness", "warn_after is later than error_after; it should be the earlier of the two"
