import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.errors import InputError
from rapport.sources import csv_files
from rapport.sources.chunk import Chunk
from rapport.sources.feed import Feed
from rapport.sources.files import find_files, read_chunks

MakeFeed = Callable[..., Feed]
CONTACT = {"contact_id": "id", "updated_at": "at", "first_name": "name"}


@pytest.fixture
def feed(make_feed: MakeFeed) -> Feed:
    return make_feed(CONTACT, "contacts")


@pytest.fixture
def landing(feed: Feed) -> Path:
    folder = Path(feed.read.files).parent
    folder.mkdir()
    return folder


def read(feed: Feed) -> list[Chunk]:
    return [chunk for file in find_files(feed) for chunk in read_chunks(feed, file)]


def rows(feed: Feed) -> list[tuple[object, ...]]:
    """(line, value, …) of each row."""
    return [
        (line, *record.values())
        for chunk in read(feed)
        for line, record in zip(chunk.lines.to_pylist(), chunk.rows.to_pylist(), strict=True)
    ]


def unreadable(feed: Feed) -> list[tuple[int, str, str]]:
    return [(row.line_number, row.text, row.reason) for chunk in read(feed) for row in chunk.unreadable]


def refusal(feed: Feed) -> str:
    with pytest.raises(InputError) as error:
        read(feed)
    return str(error.value)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_csv_rows_keep_their_line_numbers_across_newlines_and_blank_lines(
    feed: Feed, landing: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 64)
    text = '\ufeffid,at,name\n1,x,"two\nlines"\n\n2,x,\n3,x\n"4\n\n",x,ü\n5,x,y,z\n6,"",z\n' + "7,x,y\n" * 50
    write(landing / f"a{ending}", text.encode())
    expected = [
        (2, "1", "x", "two\nlines"),
        (5, "2", "x", None),
        (7, "4\n\n", "x", "ü"),
        (11, "6", None, "z"),
    ]
    assert rows(feed)[:4] == expected
    assert [row[0] for row in rows(feed)[4:]] == list(range(12, 62))
    assert unreadable(feed) == [
        (6, "3,x", "2 fields where 3 are expected; was the file cut off?"),
        (
            10,
            "5,x,y,z",
            "4 fields where 3 are expected; does a value hold the delimiter without being quoted?",
        ),
    ]


def test_a_large_file_comes_in_bounded_chunks(feed: Feed, landing: Path) -> None:
    write(landing / "a.csv", b"id,at,name\n" + b"1,2026-01-01 00:00:00,somebody\n" * 400_000)
    sizes = [chunk.rows.num_rows for chunk in read(feed)]
    assert sum(sizes) == 400_000
    assert max(sizes) <= 50_000


def test_another_encoding_and_delimiter_are_read(make_feed: MakeFeed) -> None:
    feed = make_feed(CONTACT, "contacts", read={"files": "l/*.csv", "encoding": "cp1252", "delimiter": ";"})
    Path(feed.read.files).parent.mkdir()
    write(Path(feed.read.files).parent / "a.csv", "id;at;name\n1;x;Zoë €\n".encode("cp1252"))
    assert rows(feed) == [(2, "1", "x", "Zoë €")]


def test_utf_16_is_read(make_feed: MakeFeed) -> None:
    feed = make_feed(CONTACT, "contacts", read={"files": "l/*.csv", "encoding": "utf-16"})
    Path(feed.read.files).parent.mkdir()
    write(Path(feed.read.files).parent / "a.csv", "id,at,name\r\n1,x,Zoë\r\n".encode("utf-16"))
    assert rows(feed) == [(2, "1", "x", "Zoë")]


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_json_lines_keep_numbers_as_written_and_nested_values_as_json(
    feed: Feed, landing: Path, ending: str
) -> None:
    lines = (
        '{"id": 10.10, "at": true, "name": "Zoë"}',
        "",
        '{"id": 12345678901234567890, "at": null, "name": {"a": [1.50, "x", null]}}',
        '{"id": "", "more": 1e5}',
    )
    write(landing / f"a{ending}", "\n".join(lines).encode())
    assert rows(feed) == [
        (1, "10.10", "true", "Zoë", None),
        (3, "12345678901234567890", None, '{"a": [1.50, "x", null]}', None),
        (4, None, None, None, "1e5"),
    ]


def test_each_malformed_json_line_is_refused_alone(feed: Feed, landing: Path) -> None:
    good = '{"id": 1, "at": 2, "name": 3}'
    bad = ['{"id": 1, "at"', "[1]", '{"id": NaN}', '{"id": "\\ud800"}', "{'id': 1}", "[" * 100_000]
    write(landing / "a.jsonl", "\n".join([good, *bad, good]).encode())
    assert [row[0] for row in rows(feed)] == [1, 8]
    assert [line for line, _, _ in unreadable(feed)] == [2, 3, 4, 5, 6, 7]
    assert unreadable(feed)[0][1:] == (
        bad[0],
        "this is not JSON (Expecting ':' delimiter); was the file cut off?",
    )


def test_parquet_values_are_exact_text(feed: Feed, landing: Path) -> None:
    at = datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=UTC)
    table = pa.table(
        {
            "id": pa.array([Decimal("2.50"), None], pa.decimal128(10, 2)),
            "at": pa.array([at, None], pa.timestamp("us", "Europe/London")),
            "name": pa.array(["Zoë", ""]).dictionary_encode(),
            "float": pa.array([0.1, 1e21]),
            "whole": pa.array([2**62, 1]),
            "nested": pa.array([{"a": [1, 2]}, None]),
        }
    )
    pq.write_table(table, landing / "a.parquet")
    assert rows(feed) == [
        (1, "2.50", "2026-07-01 12:00:00.000005Z", "Zoë", "0.1", str(2**62), '{"a": [1, 2]}'),
        (2, None, None, None, "1e+21", "1", None),
    ]
    (landing / "a.parquet.gz").write_bytes(gzip.compress((landing / "a.parquet").read_bytes()))
    (landing / "a.parquet").unlink()
    assert len(rows(feed)) == 2


def test_files_are_read_in_the_order_of_their_names(feed: Feed, landing: Path) -> None:
    for name in ("b.csv", "a.csv", "c.jsonl"):
        write(
            landing / name,
            json.dumps({"id": name, "at": 1, "name": 2}).encode()
            if "json" in name
            else f"id,at,name\n{name},1,2\n".encode(),
        )
    assert [row[1] for row in rows(feed)] == ["a.csv", "b.csv", "c.jsonl"]


GOOD = b"id,at,name\n" + b"1,2026-01-01,a\n" * 20_000
BAD_FILES = {
    "empty": ("a.csv", b"", "a.csv is empty (0 bytes of content); a header line"),
    "empty gzip": ("a.csv.gz", b"", "a.csv.gz is empty (0 bytes of content); a header line"),
    "empty json": ("a.jsonl", b"", "a.jsonl is empty (0 bytes of content); JSON objects are expected"),
    "empty parquet": ("a.parquet", b"", "a.parquet is empty (0 bytes of content); a Parquet file"),
    "blank header": ("a.csv", b"\n\n", "a.csv, line 1 is blank; a header line"),
    "header twice": ("a.csv", b"id,at,at,name\n", "line 1: the column 'at' is named twice"),
    "missing column": (
        "a.csv",
        b"id,at,Nme\n",
        "no column 'name', which shop maps to first_name; did you mean 'Nme'?",
    ),
    "missing key": (
        "a.jsonl",
        b'{"id": 1, "at": 2}\n',
        "no column 'name', which shop maps to first_name; it has: id, at",
    ),
    "wrong case": (
        "a.csv",
        b"ID,at,name\n",
        "no column 'id', which shop maps to contact_id; did you mean 'ID'?",
    ),
    "not gzip": ("a.csv.gz", None, "ends in .gz and is not gzip; rename it or compress it"),
    "cut gzip": ("a.csv.gz", gzip.compress(GOOD, mtime=0)[:-9], "the gzip stream ends early, after line"),
    "cut json gzip": (
        "a.jsonl.gz",
        gzip.compress(b'{"id": 1}\n' * 9999)[:-9],
        "the gzip stream ends early, after line",
    ),
    "damaged gzip": (
        "a.csv.gz",
        gzip.compress(GOOD)[:-8] + b"\0\0\0\0" * 2,
        "the gzip stream is damaged after line",
    ),
    "latin-1": (
        "a.csv",
        b"id,at,name\n1,x,a\n2,x,Zo\xeb\n",
        "line 3, byte 7: 0xeb is not utf-8; write `encoding: latin-1`",
    ),
    "cp1252": (
        "a.csv",
        b"id,at,name\n2,x,\x80\n",
        "line 2, byte 5: 0x80 is not utf-8; write `encoding: cp1252`",
    ),
    "latin-1 json": ("a.jsonl", b'{"id": 1, "at": 1, "name": "\xeb"}', "line 1, byte 29: 0xeb is not utf-8"),
    "utf-16": ("a.csv", "id,at,name\n".encode("utf-16"), "line 1: this is UTF-16; write `encoding: utf-16`"),
    "open quote": (
        "a.csv",
        b'id,at,name\n1,x,"a""b"\n2,x,"open\n3,x,y\n',
        "line 3: a quote is opened and never closed",
    ),
    "open quote at the end": (
        "a.csv",
        b'id,at,name\n1,6" pipe,x\n2,x,"open',
        "line 3: a quote is opened and never closed",
    ),
    "not parquet": (
        "a.parquet",
        b"id,at,name\n1,2,3\n",
        "a.parquet is no whole Parquet file (Parquet magic bytes not found",
    ),
    "unknown ending": (
        "a.xls",
        b"PK",
        "a.xls: a file's ending says how it is written, and .xls is not known",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_cannot_be_trusted_is_refused_whole(feed: Feed, landing: Path, case: str) -> None:
    name, content, sentence = BAD_FILES[case]
    if content is None:
        (landing / name).write_bytes(b"id,at,name\n")
    elif not content.startswith(b"\x1f\x8b"):
        write(landing / name, content)
    else:
        (landing / name).write_bytes(content)
    assert sentence in refusal(feed)


def test_a_cut_gzip_names_the_last_line_that_is_whole(feed: Feed, landing: Path) -> None:
    (landing / "a.csv.gz").write_bytes(gzip.compress(GOOD, mtime=0)[:-1])
    assert "after line 20001;" in refusal(feed)


def test_a_quote_left_open_in_a_large_file_is_found(feed: Feed, landing: Path) -> None:
    write(landing / "a.csv", b"id,at,name\n" + b"1,x,a\n" * 1000 + b'2,x,"open\n' + b"3,x,y\n" * 2_000_000)
    assert "line 1002: a quote is opened and never closed" in refusal(feed)


def test_inches_are_no_open_quotes(feed: Feed, landing: Path) -> None:
    write(landing / "a.csv", b'id,at,name\n1,x,6" pipe\n2,x,y\n')
    assert rows(feed) == [(2, "1", "x", '6" pipe'), (3, "2", "x", "y")]


def test_a_header_alone_is_a_file_without_rows(feed: Feed, landing: Path) -> None:
    write(landing / "a.csv", b"id,at,name")
    assert rows(feed) == []


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            "landing/nothing-*.csv",
            "no file matches {0}/landing/nothing-*.csv; the folder {0}/landing exists and it has orders.csv",
        ),
        ("landing/order.csv", "there is no file {0}/landing/order.csv; did you mean orders.csv?"),
        ("lending/*.csv", "no file matches {0}/lending/*.csv: the folder {0}/lending does not exist"),
        (
            "lending/x/orders.csv",
            "there is no file {0}/lending/x/orders.csv: the folder {0}/lending does not exist",
        ),
        ("landing", "{0}/landing is a folder; name the files in it, as in {0}/landing/*.csv"),
        ("nosuch://x/*.csv", "nosuch://x/*.csv cannot be opened: Protocol not known"),
    ],
)
def test_files_that_are_not_there_are_a_sentence(
    make_feed: MakeFeed, tmp_path: Path, files: str, sentence: str
) -> None:
    (tmp_path / "landing").mkdir()
    write(tmp_path / "landing/orders.csv", b"x")
    with pytest.raises(InputError) as error:
        find_files(make_feed(CONTACT, "contacts", read={"files": files}))
    assert sentence.format(tmp_path) in str(error.value)


def test_urls_are_read_through_fsspec(make_feed: MakeFeed) -> None:
    import fsspec

    with fsspec.open("memory://landing/a.csv", "wb") as stream:
        stream.write(b"id,at,name\n1,2,3\n")
    feed = make_feed(CONTACT, "contacts", read={"files": "memory://landing/*.csv"})
    assert rows(feed) == [(2, "1", "2", "3")]


def write(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
