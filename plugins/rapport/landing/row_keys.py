"""What tells landed rows apart: their content, and the key under which raw holds them.

`row_key` decides what is there already; `content_hash` is over all stream columns and the payload, and equal
for equal values however they were written.
"""

from collections.abc import Sequence

from psycopg import sql

from rapport.landing.copying import LANDED
from rapport.sources.feed import Feed
from rapport.streams import Column, ColumnType, Mode

_BETWEEN = "\x1f"  # what stands between two hashed values; ASCII's unit separator


def counts_occurrences(feed: Feed) -> bool:
    """Whether equal rows of one file are told apart by their number, because no key does."""
    stream = feed.definition
    optional_key = any(not stream.column(name).required for name in stream.key)
    return feed.mode is Mode.REPLACE_ORDER or (feed.mode is Mode.APPEND and optional_key)


def keyed_rows(feed: Feed) -> sql.Composed:
    """A query for the landed rows: the feed's columns, line_number, payload, content_hash and row_key.

    It takes the parameter `delivery`.
    """
    rows = hashed_rows(feed)
    if counts_occurrences(feed):
        rows = sql.SQL(
            "select *, row_number() over (partition by content_hash order by line_number) as occurrence"
            " from ({}) as hashed"
        ).format(rows)
    names = [sql.Identifier(column.name) for column in feed.definition.columns if column.name in feed.columns]
    return sql.SQL(
        "select {}, line_number, payload, content_hash, {} as row_key from ({}) as counted"
    ).format(sql.SQL(", ").join(names), row_key(feed), rows)


def hashed_rows(feed: Feed) -> sql.Composed:
    """A query for the landed rows with their content hash."""
    columns = feed.definition.columns
    return sql.SQL("select {}, line_number, payload, {} as content_hash from {}").format(
        sql.SQL(", ").join(_landed(column) for column in columns if column.name in feed.columns),
        _hash([*(_content(feed, column) for column in columns), sql.SQL("payload")]),
        LANDED,
    )


def row_key(feed: Feed) -> sql.Composable:
    """The key of a row that has content_hash, the stream's key and, where they count, occurrence."""
    stream = feed.definition
    content, delivery = sql.SQL("content_hash"), sql.SQL("%(delivery)s::bigint")
    occurrence = sql.SQL("occurrence")
    key = [sql.Identifier(name) for name in stream.key]
    match feed.mode:
        case Mode.VERSIONS:
            return _hash([*key, content])
        case Mode.REPLACE_ORDER:
            return _hash([delivery, content, occurrence])
        case Mode.SNAPSHOT:
            return _hash([delivery, *key])
    if not counts_occurrences(feed):
        return _hash(key)
    by_content = sql.SQL("case when occurrence = 1 then content_hash else {} end").format(
        _hash([content, occurrence])
    )
    if not feed.has_whole_key:
        return by_content
    # A line whose optional id is missing is told apart by its content, as where no id is mapped.
    missing = sql.SQL(" or ").join(
        sql.SQL("{} is null").format(sql.Identifier(name))
        for name in stream.key
        if not stream.column(name).required
    )
    return sql.SQL("case when {} then {} else {} end").format(missing, by_content, _hash(key))


def _hash(values: Sequence[sql.Composable | None]) -> sql.Composed:
    """The hash of values that are not empty texts, some of them missing; None is a value that always is.

    `concat` takes half the time of a row's own text form.
    """
    parts: list[sql.Composable] = []
    between = ""
    for value in values:
        if value is not None:
            parts += [sql.Literal(between), value] if between else [value]
            between = ""
        between += _BETWEEN
    return sql.SQL("md5(concat({}))::uuid").format(sql.SQL(", ").join([*parts, sql.Literal(between)]))


def _content(feed: Feed, column: Column) -> sql.Composable | None:
    if column.name not in feed.columns:
        return sql.SQL("false") if column.name == "is_deleted" else None
    if column.type is ColumnType.NUMERIC:  # 2.5 and 2.50 are one amount
        return sql.SQL("trim_scale({})").format(sql.Identifier(column.name))
    return _value(column)


def _value(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    return sql.SQL("coalesce({}, false)").format(name) if column.name == "is_deleted" else name


def _landed(column: Column) -> sql.Composable:
    return sql.SQL("{} as {}").format(_value(column), sql.Identifier(column.name))
