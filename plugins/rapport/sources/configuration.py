"""Source files → feeds, with every mistake in every file found in one pass."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from string import Template

from pydantic import ValidationError

from rapport.errors import ConfigurationError
from rapport.settings import Settings
from rapport.sources.column_mistakes import column_mistakes, explode_mistakes, name_mistakes, only_mistakes
from rapport.sources.feed import Feed, FreshnessLimits, mapping_hash
from rapport.sources.file_options import file_reading, read_mistakes
from rapport.sources.limits import BatchLimits, batch_limits, limit_mistakes
from rapport.sources.mistakes import nearest, shape_mistakes
from rapport.sources.origin_mistakes import origin_mistakes
from rapport.sources.source_file import SourceFile
from rapport.sources.system_files import FEEDS, FeedKeys, feeds_of
from rapport.sources.yaml_text import read_yaml
from rapport.streams import STREAMS, Mode, Stream

Mistake = tuple[str, str]  # the key, and a sentence


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
            found = list(_read_feeds(path, settings))
        except ConfigurationError as error:
            mistakes.append(str(error))
            continue
        # What a file says for all of its feeds is wrong once.
        mistakes += dict.fromkeys(
            f"{path}: {key}: {sentence}" for _, wrong in found for key, sentence in wrong
        )
        for feed, _ in found:
            if feed is None:
                continue
            if any(feed.name == other.name for other in feeds):
                mistakes.append(f"{path}: another file here has a feed {feed.name} too; rename one")
            feeds.append(feed)
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return feeds


def _read_feeds(path: Path, settings: Settings) -> Iterator[tuple[Feed | None, list[Mistake]]]:
    """Each feed of the file, or None, with what is wrong with it."""
    given = read_yaml(path)
    if not isinstance(given, dict):
        raise ConfigurationError(
            f"{path}: a source file names at least stream, read and columns; this one is empty"
        )
    if FEEDS in given and not (isinstance(given[FEEDS], dict) and given[FEEDS]):
        raise ConfigurationError(
            f"{path}: {FEEDS}: names and, under each, stream, read and columns are expected"
        )
    for keys in feeds_of(path.stem, given):
        feed, mistakes = _read_feed(keys, settings)
        yield feed, [(keys.place(key), sentence) for key, sentence in mistakes]


def _read_feed(keys: FeedKeys, settings: Settings) -> tuple[Feed | None, list[Mistake]]:
    try:
        file = SourceFile.model_validate(keys.keys)
    except ValidationError as error:
        # What can be checked of a file of the wrong shape is checked all the same.
        return None, [*shape_mistakes(error), *_column_mistakes_anyway(keys.keys)]
    sentences = [*read_mistakes(file.read), *_freshness_mistakes(file), *limit_mistakes(file.limits)]
    files = ""
    try:
        files = _resolve(file.read.files, settings) if file.read.files is not None else ""
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
        *column_mistakes(file, stream),
        *explode_mistakes(file),
        *only_mistakes(file),
        *origin_mistakes(file, stream),
    ]
    if sentences:
        return None, sentences
    source = file.source or keys.name
    mode = Mode(file.mode) if file.mode else stream.default_mode
    read = file_reading(file.read, files)
    return Feed(
        name=keys.name,
        source=source,
        stream=stream.name,
        mode=mode,
        read=read,
        columns=dict(file.columns),
        freshness=_limits(file),
        limits=_batch_limits(file),
        mapping_hash=mapping_hash(
            stream.name, source, mode, read, dict(file.columns), file.explode, file.origin, file.only
        ),
        explode=file.explode,
        origin=file.origin,
        only=file.only,
    ), []


def _batch_limits(file: SourceFile) -> BatchLimits:
    limits = batch_limits(file.limits)
    # What is new since the last reading has no usual size.
    if (
        file.origin is not None
        and file.origin.cursor is not None
        and "rows" not in file.limits.model_fields_set
    ):
        return replace(limits, fewest=None, most=None)
    return limits


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
        yield from name_mistakes(columns, STREAMS[stream])


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
