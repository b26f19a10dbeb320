"""CSV as other programs write it: headers, quotes, escapes, delimiters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rapport.errors import ConfigurationError, InputError
from rapport.sources.chunk import Chunk
from rapport.sources.feed import Feed
from rapport.sources.files import find_files, read_chunks

MakeFeed = Callable[..., Feed]
CONTACT = {"contact_id": "id", "updated_at": "at"}


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    (tmp_path / "landing").mkdir()
    return tmp_path / "landing"


@pytest.fixture
def feed_of(make_feed: MakeFeed) -> Callable[..., Feed]:
    return lambda **read: make_feed(CONTACT, "contacts", read={"files": "landing/*", **read})


def read(feed: Feed) -> list[Chunk]:
    return [chunk for file in find_files(feed) for chunk in read_chunks(feed, file)]


def rows(feed: Feed) -> list[tuple[Any, ...]]:
    """(line, value, …) of each row."""
    return [
        (line, *record.values())
        for chunk in read(feed)
        for line, record in zip(chunk.lines.to_pylist(), chunk.rows.to_pylist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        ("a.tsv", "id\tat\n1\tx,y\n", {}, [(2, "1", "x,y")]),
        ("a.tsv.gz.csv", "id,at\n1,x\n", {}, [(2, "1", "x")]),
        ("a.csv", "id|at\n1|x\n", {"delimiter": "|"}, [(2, "1", "x")]),
        ("a.csv", "id,at\n1,'x,''y'\n2,\"z\n", {"quote": "'"}, [(2, "1", "x,'y"), (3, "2", '"z')]),
        ("a.csv", 'id,at\n1,"x\n2,6" pipe\n', {"quote": "none"}, [(2, "1", '"x'), (3, "2", '6" pipe')]),
        ("a.csv", 'id,at\n1,"x\\"y"\n2,a\\,b\n', {"escape": "\\"}, [(2, "1", 'x"y'), (3, "2", "a,b")]),
        ("a.csv", "id,at\n1,a\\\nb\n2,x\n", {"escape": "\\"}, [(2, "1", "a\nb"), (4, "2", "x")]),
        ("a.csv", "May\n\nid,at\n1,x\n", {"header_row": "3"}, [(4, "1", "x")]),
        ("a.csv", '"two\nlines",at\n1,x\n', {"column_names": ["id", "at"]}, [(3, "1", "x")]),
        (
            "a.csv",
            "1,x\n2,y\n",
            {"header_row": "none", "column_names": ["id", "at"]},
            [(1, "1", "x"), (2, "2", "y")],
        ),
        ("a.dat", "id,at\n1,x\n", {"format": "csv"}, [(2, "1", "x")]),
        ("a.csv", "id,at\r1,x\r2,y\r", {}, [(2, "1", "x"), (3, "2", "y")]),
        ("a.csv", "id,at\r\n1,x\r\n", {}, [(2, "1", "x")]),
        ("a.csv", "id,at,\n1,x,z\n", {}, [(2, "1", "x", "z")]),
    ],
)
def test_csv_of_any_kind_is_read(
    feed_of: Callable[..., Feed],
    landing: Path,
    name: str,
    content: str,
    options: dict[str, Any],
    expected: list[tuple[Any, ...]],
) -> None:
    (landing / name).write_bytes(content.encode())
    feed = feed_of(**options)
    if name == "a.tsv":
        feed = feed_of(files="landing/*.tsv")
    assert rows(feed) == expected


def test_columns_without_names_are_known_by_position(make_feed: MakeFeed, landing: Path) -> None:
    (landing / "a.csv").write_text("1,x\n2\n3,y,z\n4,w\n")
    read_ = {"files": "landing/*", "header_row": "none"}
    feed = make_feed({"contact_id": 1, "updated_at": "2"}, "contacts", read=read_)
    assert rows(feed) == [(1, "1", "x"), (4, "4", "w")]
    assert [(row.line_number, row.reason) for chunk in read(feed) for row in chunk.unreadable] == [
        (2, "1 field where 2 are expected; was the file cut off?"),
        (3, "3 fields where 2 are expected; does a value hold the delimiter without being quoted?"),
    ]


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ("id,at\n1,x\n", {"header_row": "9"}, "a.csv, line 9 is blank; a header line"),
        (
            "id,at\n1,x\n",
            {"column_names": ["id"]},
            "a.csv, line 1 has 2 columns, and read.column_names names 1",
        ),
        ("id,at\n1,'open\n2,x\n", {"quote": "'"}, "a.csv, line 2: a quote is opened and never closed"),
        ('id,at\n1,"a\\"\n2,x\n', {"escape": "\\"}, "a.csv, line 2: a quote is opened and never closed"),
        ("id;at\n1;x\n", {}, "a.csv, line 1: no ',' separates its values; write `delimiter: ';'`"),
    ],
)
def test_csv_that_is_not_as_the_feed_says_is_refused(
    feed_of: Callable[..., Feed], landing: Path, content: str, options: dict[str, Any], sentence: str
) -> None:
    (landing / "a.csv").write_text(content)
    with pytest.raises(InputError) as error:
        read(feed_of(**options))
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"quote": "''"}, "read.quote: \"''\" is no quote; it is one character"),
        ({"escape": "ä"}, "read.escape: 'ä' cannot escape other signs"),
        ({"delimiter": "|", "quote": "|"}, "read: delimiter, quote and escape must be different signs"),
        ({"header_row": "0"}, "read.header_row: '0' is no line; write its number, or none"),
        ({"header_row": "no"}, "read.header_row: 'no' is no line"),
        ({"column_names": ["a", "a"]}, "read.column_names: each column needs a name of its own"),
        ({"format": "cvs"}, "read.format: 'cvs' is not known; did you mean csv?"),
        ({"format": "csv", "sheet": "x"}, "read.sheet: it is for excel, and read.format is csv"),
        ({"unpacked": {"size": "1 KB"}}, "read.unpacked.size: '1 KB' is no size; one looks like 500MB"),
        ({"unpacked": {"ratio": "x"}}, "read.unpacked.ratio: 'x' is no multiple"),
        ({"unpacked": {"siez": "1GB"}}, "read.unpacked.siez: unknown key; did you mean size?"),
        ({"headerrow": "1"}, "read.headerrow: unknown key; did you mean header_row?"),
        ({"memebr": "1"}, "read.memebr: unknown key; did you mean member?"),
        ({"record_at": "x"}, "read.record_at: unknown key; did you mean records_at?"),
    ],
)
def test_mistakes_in_options_are_named(
    feed_of: Callable[..., Feed], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        feed_of(**options)
    assert sentence in str(error.value)


def test_what_changes_rows_changes_the_mapping(feed_of: Callable[..., Feed]) -> None:
    first = feed_of().mapping_hash
    same = [{"member": "*.csv"}, {"unpacked": {"ratio": "9"}}, {"connection": "x"}]
    assert {feed_of(**options).mapping_hash for options in same} == {first}
    other = [{"quote": "'"}, {"escape": "\\"}, {"header_row": "2"}, {"sheet": "x"}, {"records_at": "x"}]
    assert len({first, *(feed_of(**options).mapping_hash for options in other)}) == 6
