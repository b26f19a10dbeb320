"""A feed: one source file, checked against the stream that it fills."""

import hashlib
import json
from dataclasses import dataclass, field, fields
from datetime import timedelta

from pydantic import TypeAdapter

from rapport.sources.compression import DEFAULT_LIMITS as DEFAULT_UNPACK_LIMITS
from rapport.sources.compression import UnpackLimits
from rapport.sources.database_keys import Database
from rapport.sources.limits import DEFAULT_LIMITS, BatchLimits
from rapport.sources.rest_keys import Rest
from rapport.sources.source_file import ColumnMapping, Constant, FromColumn, Hashed, Joined
from rapport.streams import STREAMS, Mode, Stream

Origin = Database | Rest
Mapping = str | FromColumn | Constant | Joined | Hashed


@dataclass(frozen=True)
class FileReading:
    """`files` is an absolute path or a URL, perhaps with wildcards; empty where no files are read.
    `header_row` is the line of the columns' names, None where no line has them; the rest is as
    `source_file.Read` says."""

    files: str
    encoding: str = "utf-8"
    delimiter: str = ","
    connection: str | None = None
    format: str | None = None
    member: str | None = None
    unpacked: UnpackLimits = DEFAULT_UNPACK_LIMITS
    quote: str | None = '"'
    escape: str | None = None
    header_row: int | None = 1
    column_names: tuple[str, ...] = ()
    records_at: str | None = None
    sheet: str | None = None

    def what_decides_rows(self) -> dict[str, object]:
        """The options that change what a file becomes, but for those at their default."""
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self)}
        always = ("encoding", "delimiter")
        never = ("files", "connection", "member", "unpacked")
        return {
            name: value
            for name, value in options.items()
            if name not in never and (name in always or value != defaults[name])
        }


@dataclass(frozen=True)
class FreshnessLimits:
    """How far the newest record may lie behind a run's as_of."""

    warn_after: timedelta | None
    error_after: timedelta | None


@dataclass(frozen=True)
class Feed:
    """`name` is the source file's name without ending; `columns` maps stream columns to where they come from.

    `mapping_hash` changes with everything that changes what a file becomes, and with nothing else. `explode`
    is the list of which each element is a row, such as `line_items[]`.
    """

    name: str
    source: str
    stream: str
    mode: Mode
    read: FileReading
    columns: dict[str, Mapping]
    freshness: FreshnessLimits | None
    mapping_hash: str
    explode: str | None = None
    origin: Origin | None = None
    only: dict[str, tuple[str, ...]] = field(default_factory=dict)
    limits: BatchLimits = DEFAULT_LIMITS

    @property
    def definition(self) -> Stream:
        """The stream that the feed fills."""
        return STREAMS[self.stream]

    @property
    def has_whole_key(self) -> bool:
        """Whether every column that tells the stream's records apart is mapped."""
        return all(name in self.columns for name in self.definition.key)

    @property
    def source_columns(self) -> dict[str, tuple[str, ...]]:
        """Stream column → the source columns it is made of."""
        return {name: source_columns(mapping) for name, mapping in self.columns.items()}


def source_columns(mapping: Mapping) -> tuple[str, ...]:
    """The source columns that a mapping takes."""
    match mapping:
        case str():
            return (mapping,)
        case FromColumn():
            return (mapping.column,)
        case Joined():
            return mapping.join
        case Hashed():
            return mapping.hash
        case Constant():
            return ()


def mapping_hash(
    stream: str,
    source: str,
    mode: Mode,
    read: FileReading,
    columns: dict[str, Mapping],
    explode: str | None = None,
    origin: Origin | None = None,
    only: dict[str, tuple[str, ...]] | None = None,
) -> str:
    """A hash over everything that decides what rows a file becomes; where the file is does not.

    Options at their default are left out, so that an option that Rapport gains later changes no hash.
    """
    adapter: TypeAdapter[ColumnMapping] = TypeAdapter(ColumnMapping)
    plain = {
        name: FromColumn(column=mapping) if isinstance(mapping, str) else mapping
        for name, mapping in columns.items()
    }
    described = {
        "stream": stream,
        "source": source,
        "mode": mode.value,
        **read.what_decides_rows(),
        "columns": {
            name: adapter.dump_python(m, mode="json", exclude_defaults=True) for name, m in plain.items()
        },
    }
    if explode is not None:
        described["explode"] = explode
    if only:
        described["only"] = only
    if origin is not None:
        described["origin"] = _what_is_read(origin)
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _what_is_read(origin: Origin) -> dict[str, object]:
    if isinstance(origin, Database):
        return {"table": origin.table, "query": origin.query, "cursor": origin.cursor}
    resources = [resource for resource in origin.resources if resource.get("name") == origin.name]
    return {"resources": resources, "cursor": origin.cursor.field if origin.cursor else None}
