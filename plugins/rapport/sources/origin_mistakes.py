"""What is wrong in how a source file reads a database or an API, as (key, sentence)."""

from collections.abc import Iterator

from rapport.sources.database_keys import Database
from rapport.sources.mistakes import nearest
from rapport.sources.rest_keys import Rest
from rapport.sources.source_file import SourceFile
from rapport.streams import Mode, Stream

_PAGINATORS = (
    "auto",
    "cursor",
    "cursor_until",
    "header_cursor",
    "header_link",
    "json_link",
    "json_link_until",
    "offset",
    "page_number",
    "single_page",
)
_AUTHS = ("api_key", "bearer", "http_basic", "oauth2_client_credentials")


def origin_mistakes(file: SourceFile, stream: Stream) -> Iterator[tuple[str, str]]:
    """Every mistake in `read` but those in how files are read."""
    given = [name for name in ("files", "database", "rest") if getattr(file.read, name) is not None]
    if len(given) != 1:
        yield (
            "read",
            f"one of files, database and rest says what is read; there is {' and '.join(given) or 'none'}",
        )
    if file.read.database is not None:
        yield from _database_mistakes(file.read.database)
    if file.read.rest is not None:
        yield from _rest_mistakes(file.read.rest)
    if file.origin is not None and file.origin.cursor is not None:
        key = "read.database.cursor" if isinstance(file.origin, Database) else "read.rest.cursor"
        yield from _cursor_mistakes(key, file, stream)


def _cursor_mistakes(key: str, file: SourceFile, stream: Stream) -> Iterator[tuple[str, str]]:
    mode = file.mode or stream.default_mode
    if mode == Mode.SNAPSHOT:
        yield key, "mode snapshot reads everything each time, to know what was deleted; leave the cursor out"
    if mode == Mode.APPEND:
        for name in stream.key:
            if name not in file.columns:
                yield (
                    "columns",
                    f"readings overlap, so a row must be known again when it comes a second time: map {name}",
                )
    if mode == Mode.REPLACE_ORDER and file.read.database is not None and file.read.database.table is not None:
        yield (
            key,
            "mode replace_order needs all lines of an order that has changed, and a cursor on the lines "
            "gives those that have; write a query that joins the order's own time, or use mode append",
        )


def _database_mistakes(database: Database) -> Iterator[tuple[str, str]]:
    if (database.table is None) == (database.query is None):
        yield "read.database", "either table or query says what is read"
    if database.cursor is None:
        for name in ("overlap", "start"):
            if getattr(database, name) is not None:
                yield f"read.database.{name}", "it belongs to a cursor, and there is none"


def _rest_mistakes(rest: Rest) -> Iterator[tuple[str, str]]:
    names = [str(resource.get("name")) for resource in rest.resources]
    if any("name" not in resource for resource in rest.resources):
        yield "read.rest.resources", "each resource needs a name"
    if rest.resource is None and len(names) > 1:
        yield "read.rest.resource", f"there are several; say which this feed reads: {', '.join(names)}"
    elif rest.resource is not None and rest.resource not in names:
        yield "read.rest.resource", f"there is no resource {rest.resource}; {nearest(rest.resource, names)}"
    if "base_url" not in rest.client:
        yield "read.rest.client", "base_url is missing; it says where the API is"
    yield from _kind_mistakes("read.rest.client.paginator", rest.client.get("paginator"), _PAGINATORS)
    yield from _kind_mistakes("read.rest.client.auth", rest.client.get("auth"), _AUTHS)
    if rest.cursor is not None and "{cursor}" not in str(rest.resources) + str(rest.resource_defaults):
        yield "read.rest.cursor", "no resource asks for it; write {cursor} into the params of one"
    if rest.cursor is None and "{cursor}" in str(rest.resources):
        yield "read.rest.resources", "a resource asks for {cursor}, and there is no cursor"


def _kind_mistakes(key: str, given: object, known: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    kind = given.get("type") if isinstance(given, dict) else given
    if isinstance(kind, str) and kind not in known:
        yield key, f"there is no {kind}; {nearest(kind, known)}"
