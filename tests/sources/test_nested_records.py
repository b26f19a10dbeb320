"""Values inside values, and rows made of a list's elements."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rapport.errors import ConfigurationError, InputError
from rapport.sources.chunk import Chunk
from rapport.sources.feed import Feed
from rapport.sources.files import find_files, read_chunks
from rapport.sources.mapping import map_chunk
from rapport.sources.paths import Number, Where, as_text, decode, resolve, walk

MakeFeed = Callable[..., Feed]
LINE = {
    "order_id": "id",
    "ordered_at": "at",
    "line_id": "lines[].id",
    "quantity": "lines[].quantity",
    "unit_price": "lines[].price",
}
ORDER = {
    "id": 1,
    "at": "2026-01-01",
    "customer": {"email": "a@b.c", "home": {"city": "Bonn"}},
    "lines": [{"id": 10, "quantity": 2, "price": "1.50"}, {"id": 11, "quantity": 1, "price": "3.00", "x": 1}],
}


def land(feed: Feed, *records: object, name: str = "a.jsonl") -> None:
    folder = Path(feed.read.files).parent
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))


def chunks(feed: Feed) -> list[Chunk]:
    return [chunk for file in find_files(feed) for chunk in read_chunks(feed, file)]


def rows(feed: Feed) -> list[dict[str, Any]]:
    return [row for chunk in chunks(feed) for row in map_chunk(feed, chunk).rows.to_pylist()]


def rejected(feed: Feed) -> list[dict[str, Any]]:
    return [row for chunk in chunks(feed) for row in map_chunk(feed, chunk).rejected.to_pylist()]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".a.b", "x"),
        (".list[0]", "1"),
        (".list[-1]", "2.50"),
        (".list[2]", None),
        (".answers[ref=nps].number", "9"),
        (".answers[field.kind=text].text", "good"),
        (".answers[ref=none].number", None),
        (".answers.number", None),
        (".a.b.c", None),
        (".empty", None),
        (".yes", "true"),
        (".a", '{"b": "x"}'),
        (".list", "[1, 2.50]"),
    ],
)
def test_a_path_leads_to_a_value_or_nowhere(path: str, text: str | None) -> None:
    value = decode(
        '{"a": {"b": "x"}, "list": [1, 2.50], "yes": true, "empty": "", "answers": ['
        '{"ref": "nps", "number": 9}, {"ref": "why", "field": {"kind": "text"}, "text": "good"}]}'
    )
    found = resolve(f"root{path}", ["root"])
    assert found is not None
    assert as_text(walk(value, found.steps)) == text


def test_the_whole_name_of_a_column_wins() -> None:
    for name in ("page.url", "Amount [EUR]", "items[]", "a"):
        found = resolve(name, ["a", "page", "items", "Amount ", name])
        assert found is not None
        assert (found.root, found.steps) == (name, ())
    found = resolve("a.b[x.y=1].c[0]", ["a", "a.b"])
    assert found is not None
    assert (found.root, found.steps) == ("a.b", (Where(("x", "y"), "1"), "c", 0))
    assert resolve("a[", ["a"]) is None
    assert resolve("b.a", ["a"]) is None


def test_numbers_in_nested_values_keep_every_digit() -> None:
    value = decode('{"a": 0.1000000000000000055, "b": 12345678901234567890123, "c": 1e400, "d": 1.0}')
    assert (
        as_text(value) == '{"a": 0.1000000000000000055, "b": 12345678901234567890123, "c": 1e400, "d": 1.0}'
    )
    assert isinstance(value["d"], Number)


def test_paths_reach_into_json_columns_of_any_format(make_feed: MakeFeed) -> None:
    columns = {"contact_id": "id", "updated_at": "at", "city": "who.home.city", "email": "who.email"}
    feed = make_feed(columns, "contacts")
    folder = Path(feed.read.files).parent
    folder.mkdir()
    (folder / "a.csv").write_text(
        'id,at,who\n1,2026-01-01,"{""email"": ""x@y.z"", ""home"": {""city"": ""Bonn""}}"\n2,2026-01-01,\n'
    )
    assert [(row["city"], row["email"]) for row in rows(feed)] == [("Bonn", "x@y.z"), (None, None)]
    # of a nested value that is used in part, all is kept
    assert json.loads(json.loads(rows(feed)[0]["payload"])["who"])["home"] == {"city": "Bonn"}


def test_a_column_that_should_be_json_and_is_not_rejects_its_row(make_feed: MakeFeed) -> None:
    feed = make_feed({"contact_id": "id", "updated_at": "at", "email": "who.email"}, "contacts")
    land(feed, {"id": 1, "at": "2026-01-01", "who": "guest"}, {"id": 2, "at": "2026-01-01", "who": None})
    [fault] = rejected(feed)
    assert (fault["line_number"], fault["column_name"], fault["value"]) == (1, "who", "g***")
    assert fault["reason"] == "who is no JSON, and the mapping looks for a value in it"


def test_a_nul_inside_a_nested_value_rejects_its_row(make_feed: MakeFeed) -> None:
    feed = make_feed({"contact_id": "id", "updated_at": "at", "city": "who.city"}, "contacts")
    land(feed, {"id": 1, "at": "2026-01-01", "who": {"city": "a\0b"}})
    [fault] = rejected(feed)
    assert (fault["column_name"], fault["value"]) == ("city", "a\N{REPLACEMENT CHARACTER}b")


def test_each_element_of_a_list_is_a_row_beside_its_record(make_feed: MakeFeed) -> None:
    feed = make_feed({**LINE, "email": "customer.email"}, explode="lines[]")
    land(feed, ORDER, {**ORDER, "id": 2, "lines": []}, {**ORDER, "id": 3, "lines": None}, {**ORDER, "id": 4})
    found = rows(feed)
    assert [(row["line_number"], row["order_id"], row["line_id"]) for row in found] == [
        (1, "1", "10"),
        (1, "1", "11"),
        (4, "4", "10"),
        (4, "4", "11"),
    ]
    assert (found[0]["quantity"], found[0]["unit_price"], found[0]["email"]) == ("2", "1.50", "a@b.c")
    # a row keeps its own element, whole, and not what all rows of the record share
    assert [list(json.loads(row["payload"])) for row in found] == [["lines[]"]] * 4


def test_lists_within_lists_are_exploded_with_access_to_each(make_feed: MakeFeed) -> None:
    feed = make_feed(
        {
            "refund_id": {
                "join": ["refunds[].id", "refunds[].lines[].id", "refunds[].lines[#]"],
                "separator": "-",
            },
            "order_id": "id",
            "refunded_at": "refunds[].at",
            "amount": "refunds[].lines[].amount",
        },
        "refunds",
        explode="refunds[].lines[]",
    )
    lines = [{"id": 7, "amount": 1.50}, {"id": 8, "amount": "2"}]
    land(
        feed,
        {"id": 1, "refunds": [{"id": 5, "at": "2026-01-01", "lines": lines}, {"id": 6, "at": "2026-01-01"}]},
        {"id": 2, "refunds": [{"id": 9, "at": "2026-01-02", "lines": lines[:1]}]},
    )
    assert [
        (row["refund_id"], row["order_id"], row["refunded_at"][:10], row["amount"]) for row in rows(feed)
    ] == [
        ("5-7-0", "1", "2026-01-01", "1.5"),
        ("5-8-1", "1", "2026-01-01", "2"),
        ("9-7-0", "2", "2026-01-02", "1.5"),
    ]


def test_a_list_deep_in_a_record_and_plain_elements_are_exploded(make_feed: MakeFeed) -> None:
    columns = {"event_id": {"join": ["id", "data.tags[#]"]}, "event_name": "data.tags[]", "occurred_at": "at"}
    feed = make_feed(columns, "web_events", explode="data.tags[]")
    land(feed, {"id": "x", "at": "2026-01-01", "data": {"tags": ["a", 1.50, None]}})
    [first, second] = rows(feed)
    assert (first["event_id"], first["event_name"], second["event_name"]) == ("x0", "a", "1.5")
    assert [fault["reason"] for fault in rejected(feed)] == ["event_name is required and missing"]


@pytest.mark.parametrize("lines", ["text", 5, {"a": 1}, True])
def test_a_list_that_is_none_is_one_rejected_row(make_feed: MakeFeed, lines: object) -> None:
    feed = make_feed(LINE, explode="lines[]")
    land(feed, ORDER, {**ORDER, "lines": lines})
    [fault] = rejected(feed)
    assert fault["line_number"] == 2
    assert fault["reason"].startswith("lines[] is no list that can be exploded")
    assert sum(chunk.rows_read for chunk in chunks(feed)) == 3


def test_a_long_list_comes_in_bounded_chunks(make_feed: MakeFeed) -> None:
    feed = make_feed(LINE, explode="lines[]")
    element = {"id": 1, "quantity": 1, "price": 2}
    land(feed, {**ORDER, "note": "x" * 2000, "lines": [element] * 60_000})
    sizes = [chunk.rows.num_rows for chunk in chunks(feed)]
    assert sum(sizes) == 60_000
    assert max(sizes) <= 50_000
    assert max(chunk.rows.nbytes for chunk in chunks(feed)) < 100e6


def test_a_list_that_no_record_has_is_a_missing_column(make_feed: MakeFeed) -> None:
    feed = make_feed(LINE, explode="lines[]")
    land(feed, {"id": 1, "at": "2026-01-01", "line": []})
    with pytest.raises(InputError, match=r"there is no column 'lines\[\]', which shop maps to explode"):
        chunks(feed)


def test_many_values_without_explode_are_a_sentence(make_feed: MakeFeed) -> None:
    feed = make_feed(LINE)
    land(feed, ORDER)
    with pytest.raises(InputError, match=r"lines\[\]\.id \(mapped to line_id\) stands for many values"):
        chunks(feed)


@pytest.mark.parametrize(
    ("explode", "sentence"),
    [
        ("lines", "explode: 'lines' names no list; write line_items[]"),
        ("line[]", "columns.line_id: lines[] is not exploded; did you mean line[]?"),
        ("lines[].x[]", None),
    ],
)
def test_mistakes_in_explode_are_named(make_feed: MakeFeed, explode: str, sentence: str | None) -> None:
    if sentence is None:
        assert make_feed(LINE, explode=explode).explode == explode
        return
    with pytest.raises(ConfigurationError) as error:
        make_feed(LINE, explode=explode)
    assert sentence in str(error.value)


def test_what_is_exploded_is_part_of_the_mapping(make_feed: MakeFeed) -> None:
    columns = {**LINE, "line_id": "x", "quantity": "x", "unit_price": "x"}
    hashes = {
        make_feed(columns, **keys).mapping_hash for keys in ({}, {"explode": "a[]"}, {"explode": "b[]"})
    }
    assert len(hashes) == 3


def test_a_column_that_a_chunk_lacks_is_missing_in_it(make_feed: MakeFeed) -> None:
    feed = make_feed({"contact_id": "id", "updated_at": "at", "first_name": "name"}, "contacts")
    chunk = Chunk(pa.RecordBatch.from_pydict({"id": ["1"], "at": ["2026-01-01"]}), pa.array([1], pa.int64()))
    assert map_chunk(feed, chunk).rows.to_pylist()[0]["first_name"] is None
