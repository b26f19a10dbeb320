"""REST APIs → a delivery: dlt asks for the pages, and the records wait in a file until they are loaded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rapport.errors import InputError
from rapport.sources import cursors
from rapport.sources.chunk import Chunk
from rapport.sources.connections import find_connection
from rapport.sources.feed import Feed
from rapport.sources.files import read_chunks
from rapport.sources.paths import as_text, resolve, walk
from rapport.sources.rest_configuration import written
from rapport.sources.rest_keys import Rest, RestCursor
from rapport.sources.rest_requests import RestApi
from rapport.sources.spooled_records import Spool, SpooledRecords
from rapport.streams import Mode

# Where the newest delivery of a record replaces the others, it must not come twice in one.
_ONCE = (Mode.REPLACE_ORDER, Mode.SNAPSHOT)


@dataclass(frozen=True)
class RestDelivery:
    """One reading of a resource, complete in a file of its own. `end` is the cursor after it."""

    feed: Feed
    file: SpooledRecords
    end: Any

    @property
    def label(self) -> str:
        return self.file.path

    def chunks(self) -> Iterator[Chunk]:
        """The records in the order they came; a row's line is the number of its record in the reading."""
        if self.file.records:
            for chunk in read_chunks(self.feed, self.file):
                yield chunk if self.file.numbers is None else _numbered(chunk, self.file.numbers)

    @property
    def page_starts(self) -> Sequence[int]:
        return self.file.page_starts

    def content_hash(self) -> str:
        """SHA-256 of the records."""
        return self.file.content_hash()

    def cursor(self) -> Any:
        """Where the next reading begins, as JSON; None where everything is read each time."""
        return self.end


@contextmanager
def fetched(feed: Feed, rest: Rest, kept: Any) -> Iterator[RestDelivery]:
    """What the API has that is new since the cursor that the last reading left.

    Raises:
        SourceUnavailable: the API does not answer, also not after several tries.
        SourceRefused: it does not let us in. InputError: its answer cannot be understood.
        ConfigurationError: what `read.rest` says makes no request.
    """
    label = f"{rest.connection or feed.source}: {rest.name}"
    connection = find_connection(rest.connection) if rest.connection else None
    with TemporaryDirectory(prefix="rapport-") as folder:
        with (
            Spool(Path(folder) / "records", _optional(feed)) as spool,
            RestApi(label, rest, connection) as api,
        ):
            end = _Reading(feed, rest, label, api, spool).read(kept)
            file = spool.finish(label)
        yield RestDelivery(feed, file, end)


@dataclass
class _Reading:
    feed: Feed
    rest: Rest
    label: str
    api: RestApi
    spool: Spool

    def read(self, kept: Any) -> Any:
        """Fill the spool; the cursor after it."""
        cursor = self.rest.cursor
        if cursor is None:
            for _ in self._records(None):
                pass
            return None
        began = datetime.now(UTC)
        # Under another mapping everything is read again, as a file would be.
        known = kept if kept and kept.get("mapping") == self.feed.mapping_hash else None
        newest = datetime.fromisoformat(known["time"]) if known else None
        overlap = cursors.parse_overlap(cursor.overlap)
        begin: datetime | None = _moment(self.label, cursor, cursor.start)
        if newest is not None:
            begin = cursors.earlier(newest, overlap.time)
        while begin is not None:
            newest, begin = self._ask(cursor, begin, newest)
        if newest is None:
            return None
        return {"mapping": self.feed.mapping_hash, **cursors.to_json(min(newest, began))}

    def _ask(
        self, cursor: RestCursor, begin: datetime, newest: datetime | None
    ) -> tuple[datetime | None, datetime | None]:
        """The newest cursor so far, and where the next question begins, None after the last."""
        question = written(begin, cursor.format)
        latest = begin
        for count, record in enumerate(self._records(question), 1):
            value = _value(record, cursor.field) if isinstance(record, dict) else None
            if value is not None:
                moment = _moment(self.label, cursor, value)
                latest = max(latest, moment)
                newest = moment if newest is None else max(newest, moment)
            # While all records have one moment, only the next page of the same question leads on.
            is_full = cursor.restart_after is not None and count % cursor.restart_after == 0
            if is_full and written(latest, cursor.format) != question:
                return newest, latest
        return newest, None

    def _records(self, question: str | None) -> Iterator[Any]:
        for page in self.api.pages(question):
            self.spool.begin_page()
            for record in page:
                self.spool.add(record, self._key_of(record))
                yield record

    def _key_of(self, record: Any) -> str | None:
        if self.feed.mode not in _ONCE or not isinstance(record, dict):
            return None
        resource = next(r for r in self.rest.resources if r.get("name") == self.rest.name)
        key = resource.get("primary_key") or self.rest.resource_defaults.get("primary_key")
        return _value(record, key) if key else None


def _numbered(chunk: Chunk, numbers: pa.Int64Array) -> Chunk:
    """The chunk with the records' numbers in the place of the lines of their file."""
    unreadable = [replace(row, line_number=numbers[row.line_number - 1].as_py()) for row in chunk.unreadable]
    return Chunk(chunk.rows, numbers.take(pc.subtract(chunk.lines, 1)), unreadable)


def _value(record: dict[str, Any], reference: str) -> str | None:
    found = resolve(reference, record.keys())
    return None if found is None else as_text(walk(record[found.root], found.steps))


def _moment(label: str, cursor: RestCursor, text: str) -> datetime:
    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text) / (1000 if len(text) > 11 else 1), UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise InputError(
            f"{label}: {cursor.field} is the cursor and holds {text[:40]!r}, which is no time; one looks "
            "like 2026-03-29T14:30:00Z, or counts the seconds or milliseconds since 1970"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _optional(feed: Feed) -> set[str]:
    """The keys of records that only optional columns are mapped to."""
    required = {column.name for column in feed.definition.columns if column.required}
    keys = {
        name: {_root(reference) for reference in references}
        for name, references in feed.source_columns.items()
    }
    needed = set[str]().union(*(roots for name, roots in keys.items() if name in required))
    others = {_root(reference) for reference in (*feed.only, *([feed.explode] if feed.explode else []))}
    return (set[str]().union(*keys.values()) | others) - (needed - others)


def _root(reference: str) -> str:
    return min((reference.partition(sign)[0] for sign in ".["), key=len)
