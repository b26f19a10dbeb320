import hashlib
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from rapport.sources.chunk import Chunk, Unreadable
from rapport.sources.feed import Feed
from rapport.sources.mapping import Mapped, map_chunk

MakeFeed = Callable[..., Feed]
LINE = {"order_id": "order", "ordered_at": "at", "quantity": "quantity", "unit_price": "price"}
ROW = {"order": "1", "at": "2026-01-01 10:00:00", "quantity": "1", "price": "2.50"}


def chunk(*rows: dict[str, str | None]) -> Chunk:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    return Chunk(pa.RecordBatch.from_pydict(columns), pa.array(range(2, 2 + len(rows)), pa.int64()))


def mapped(feed: Any, *rows: dict[str, str | None]) -> list[dict[str, Any]]:
    result = map_chunk(feed, chunk(*rows))
    assert result.rejected.to_pylist() == []
    return result.rows.to_pylist()


def values(feed: Any, column: str, *texts: str | None, source: str = "x", **row: str) -> list[str | None]:
    return [line[column] for line in mapped(feed, *(ROW | {source: text} | row for text in texts))]


def rejected(feed: Any, *rows: dict[str, str | None]) -> list[dict[str, Any]]:
    result: Mapped = map_chunk(feed, chunk(*rows))
    assert result.rows.num_rows + result.rejected.num_rows == len(rows)
    return result.rejected.to_pylist()


@pytest.mark.parametrize(
    ("mapping", "given", "expected"),
    [
        ("x", ["a", " b ", None], ["a", " b ", None]),
        ({"column": "x", "null_values": ["?", "NULL"]}, ["?", "NULL", "a?"], [None, None, "a?"]),
        (
            {"column": "x", "strip_suffix": ".0"},
            ["17850.0", "17850", ".0", "1.00"],
            ["17850", "17850", None, "1.00"],
        ),
        ({"column": "x", "map": {"A": "b", "B": ""}}, ["A", "B", "C", None], ["b", None, "C", None]),
        ({"column": "x", "map": {"A": "b"}, "otherwise": "z"}, ["A", "C", None], ["b", "z", None]),
        ({"value": "GBP"}, ["a", None], ["GBP", "GBP"]),
        ({"join": ["x", "order"], "separator": "-"}, ["a", None], ["a-1", "-1"]),
        ({"join": ["x", "x"]}, ["é", None], ["éé", None]),
        (
            {"column": "x", "null_values": "?", "strip_suffix": ".0", "map": {"1": "one"}},
            ["?", "1.0"],
            [None, "one"],
        ),
    ],
)
def test_each_kind_of_mapping(
    make_feed: MakeFeed, mapping: object, given: list[str], expected: list[str]
) -> None:
    assert values(make_feed({**LINE, "product_name": mapping}), "product_name", *given) == expected


def test_a_hash_is_that_of_the_values_as_json(make_feed: MakeFeed) -> None:
    feed = make_feed({**LINE, "product_id": {"hash": ["a", "b"]}})
    pairs = [("x", "y"), ("é", 'q"\\'), ("a\nb", None), (None, "\x7f"), ("", "z"), ("\U0001f600", "\x01")]
    hashes = [line["product_id"] for line in mapped(feed, *(ROW | {"a": a, "b": b} for a, b in pairs))]
    assert hashes == [hashlib.sha256(json.dumps(pair).encode()).hexdigest()[:32] for pair in pairs]


def test_hashes_tell_apart_what_joining_would_not(make_feed: MakeFeed) -> None:
    feed = make_feed({**LINE, "product_id": {"hash": ["a", "b"]}})
    pairs = [("ab", "c"), ("a", "bc"), ("abc", None), (None, "abc"), ("ab", "c"), (None, None)]
    hashes = [line["product_id"] for line in mapped(feed, *(ROW | {"a": a, "b": b} for a, b in pairs))]
    assert len(set(hashes[:4])) == 4
    assert (hashes[4], hashes[5]) == (hashes[0], None)


@pytest.mark.parametrize(
    ("options", "given", "expected"),
    [
        ({}, "2026-03-29 01:30:00", "2026-03-29T01:30:00.000000Z"),
        ({}, "2026-03-29", "2026-03-29T00:00:00.000000Z"),
        ({}, "2026-03-29T01:30:00.123456789+02:00", "2026-03-28T23:30:00.123456Z"),
        ({}, "2026-03-29 01:30 UTC", "2026-03-29T01:30:00.000000Z"),
        ({}, "2026-03-29T01:30:00,5Z", "2026-03-29T01:30:00.500000Z"),
        ({"time_zone": "Europe/London"}, "2026-07-01 12:00:00", "2026-07-01T11:00:00.000000Z"),
        ({"time_zone": "Europe/London"}, "2026-07-01T12:00:00Z", "2026-07-01T12:00:00.000000Z"),
        # clocks show 01:30 twice: the first, in summer time
        ({"time_zone": "Europe/London"}, "2026-10-25 01:30:00", "2026-10-25T00:30:00.000000Z"),
        # clocks skip 01:30: shifted to 02:30 summer time
        ({"time_zone": "Europe/London"}, "2026-03-29 01:30:00", "2026-03-29T01:30:00.000000Z"),
        # a gap of half an hour: 02:15 becomes 02:45 in +11
        ({"time_zone": "Australia/Lord_Howe"}, "2026-10-04 02:15:00", "2026-10-03T15:45:00.000000Z"),
        ({"time_zone": "Asia/Kolkata"}, "1999-12-31 23:59:59", "1999-12-31T18:29:59.000000Z"),
        ({"format": "%d/%m/%Y %H:%M"}, "01/03/2011 01:16", "2011-03-01T01:16:00.000000Z"),
        (
            {"format": "%d/%m/%Y %H:%M", "time_zone": "Europe/Berlin"},
            "01/07/2011 01:16",
            "2011-06-30T23:16:00.000000Z",
        ),
        ({"format": "%d/%m/%Y %H:%M %z"}, "01/03/2011 01:16 +0100", "2011-03-01T00:16:00.000000Z"),
    ],
)
def test_times_become_utc(make_feed: MakeFeed, options: dict[str, str], given: str, expected: str) -> None:
    feed = make_feed({**LINE, "ordered_at": {"column": "at", **options}})
    assert values(feed, "ordered_at", given, source="at") == [expected]


@pytest.mark.parametrize(
    ("stream", "column", "good", "bad"),
    [
        (
            "order_lines",
            "discount_amount",
            ["1", "-2.50", "+3.", ".5", "1e3", " 7 ", "0.1000000000000000055"],
            ["1,50", "NaN", "inf", "1e999", "x", "1 000", "£5", "1" * 31, "--1", "1.2.3"],
        ),
        (
            "ticket_versions",
            "reopen_count",
            ["1", "0", "+3", "4.0", "2147483647"],
            ["1.5", "2147483648", "x", "9" * 11],
        ),
        ("orders", "prices_include_tax", ["true", "FALSE", "1", "0", "Yes", "no"], ["2", "t", "maybe"]),
        (
            "contacts",
            "birth_date",
            ["2000-02-29", "2000-02-29 00:00:00"],
            ["2001-02-29", "29.02.2000", "1899-12-31"],
        ),
        (
            "web_events",
            "properties",
            ['{"a": 1}', "[1.50]", '"\\ud83d\\ude00"'],
            ["{", "NaN", '"\\u0000"', '"\\ud800"', "1e99999", "[" * 99_999],
        ),
        (
            "order_lines",
            "ordered_at",
            ["2026-01-01T00:00:00Z"],
            [
                "2026-02-30",
                "2026-13-01",
                "01/02/2026",
                "1899-12-31",
                "2201-01-01",
                "20260101",
                "2026-01-01T25:00:00",
                "0",
            ],
        ),
    ],
)
def test_values_are_checked_against_their_type(
    make_feed: MakeFeed, stream: str, column: str, good: list[str], bad: list[str]
) -> None:
    feed = make_feed({**REQUIRED[stream][0], column: "x"}, stream)
    required = {k: v for k, v in REQUIRED[stream][1].items() if k != column}
    assert len(mapped(feed, *({**required, "x": text} for text in good))) == len(good)
    found = rejected(feed, *({**required, "x": text} for text in bad))
    assert [(fault["line_number"], fault["column_name"]) for fault in found] == [
        (n + 2, column) for n in range(len(bad))
    ]
    assert all(
        " is no " in fault["reason"]
        or "neither true nor false" in fault["reason"]
        or "no JSON" in fault["reason"]
        for fault in found
    )
    assert [json.loads(fault["record"])["x"] for fault in found] == bad


@pytest.mark.parametrize(
    ("options", "given", "expected"),
    [
        ({"decimal": ","}, ["1,50", "-2", "+,5", "3,"], ["1.50", "-2", "+.5", "3."]),
        (
            {"decimal": ",", "thousands": "."},
            ["1.234,50", "1234,50", "1.234.567"],
            ["1234.50", "1234.50", "1234567"],
        ),
        ({"thousands": ","}, ["1,234.50", "-1,234,567"], ["1234.50", "-1234567"]),
        ({"thousands": "'"}, ["1'234.50"], ["1234.50"]),
        (
            {"thousands": " ", "decimal": ","},
            ["1 234,5", "1\u00a0234,5", "1\u202f234,5", " 7 "],
            ["1234.5", "1234.5", "1234.5", "7"],
        ),
        ({"scale": "0.01"}, ["1999", "5", "-1", "0", "1e2"], ["19.99", "0.05", "-0.01", "0.00", "1"]),
        ({"scale": "1000"}, ["1.5"], ["1500.0"]),
        ({"scale": "0.01"}, ["123456789012345678901234567890"], ["1234567890123456789012345678.90"]),
        ({"decimal": ",", "scale": "0.001"}, ["1,5"], ["0.0015"]),
    ],
)
def test_numbers_in_other_notations_and_units_are_exact(
    make_feed: MakeFeed, options: dict[str, str], given: list[str], expected: list[str]
) -> None:
    feed = make_feed({**LINE, "unit_price": {"column": "x", **options}})
    assert values(feed, "unit_price", *given) == expected


@pytest.mark.parametrize(
    ("options", "bad", "reason"),
    [
        ({"decimal": ","}, ["1.50", "1.234,5", "1,5,0", ","], "one looks like 1234,50"),
        (
            {"decimal": ",", "thousands": "."},
            ["1.23,4", "1.2345", "12345.678", ".123", "1..234", "1,234.5"],
            "one looks like 1.234,50",
        ),
        ({"thousands": ","}, ["1,23", "1,2345", ",123"], "one looks like 1,234.50"),
    ],
)
def test_a_number_in_the_wrong_notation_is_none(
    make_feed: MakeFeed, options: dict[str, str], bad: list[str], reason: str
) -> None:
    feed = make_feed({**LINE, "unit_price": {"column": "x", **options}})
    found = rejected(feed, *(ROW | {"x": text} for text in bad))
    assert [fault["value"] for fault in found] == bad
    assert all(fault["reason"].endswith(reason) for fault in found)


def test_whole_numbers_may_have_signs_between_thousands(make_feed: MakeFeed) -> None:
    columns = {**REQUIRED["ticket_versions"][0], "reopen_count": {"column": "x", "thousands": ","}}
    given = REQUIRED["ticket_versions"][1]
    assert mapped(make_feed(columns, "ticket_versions"), {**given, "x": "1,000"})[0]["reopen_count"] == "1000"


def test_a_local_time_that_is_two_or_none_may_be_rejected(make_feed: MakeFeed) -> None:
    rules = {"time_zone": "Europe/Berlin", "ambiguous": "reject", "nonexistent": "reject"}
    feed = make_feed({**LINE, "ordered_at": {"column": "at", **rules}})
    found = rejected(feed, *(ROW | {"at": at} for at in ("2026-10-25 02:30", "2026-03-29 02:30")))
    assert [fault["column_name"] for fault in found] == ["ordered_at"] * 2
    assert found[0]["reason"].endswith("nor may it lie where the clocks of Europe/Berlin change")
    assert mapped(feed, ROW)


def test_money_keeps_every_digit(make_feed: MakeFeed) -> None:
    assert values(
        make_feed(LINE), "unit_price", "0.30000000000000004", "1234567890.123456789", source="price"
    ) == [
        "0.30000000000000004",
        "1234567890.123456789",
    ]


def test_a_missing_required_value_names_its_column(make_feed: MakeFeed) -> None:
    [fault] = rejected(make_feed(LINE), ROW | {"order": None})
    assert (fault["line_number"], fault["column_name"], fault["value"]) == (2, "order_id", None)
    assert fault["reason"] == "order_id is required and missing"
    assert json.loads(fault["record"]) == {k: v for k, v in ROW.items() if k != "order"}


def test_choices_are_checked_and_the_nearest_is_named(make_feed: MakeFeed) -> None:
    feed = make_feed({**LINE, "line_kind": "kind"})
    [fault] = rejected(feed, ROW | {"kind": "shiping"})
    assert fault["value"] == "shiping"
    assert fault["reason"].endswith("did you mean shipping?")
    assert mapped(feed, ROW | {"kind": None}, ROW | {"kind": "fee"})[1]["line_kind"] == "fee"


def test_numbers_outside_of_their_range_are_rejected(make_feed: MakeFeed) -> None:
    columns, row = REQUIRED["survey_responses"]
    feed = make_feed(columns, "survey_responses")
    good, bad = ["0", "10", "9.5", "1e1"], ["-1", "10.01", "55"]
    assert len(mapped(feed, *(row | {"x": score} for score in good))) == len(good)
    found = rejected(feed, *(row | {"x": score} for score in [*good, *bad]))
    assert [fault["value"] for fault in found] == bad
    assert {fault["reason"] for fault in found} == {"score must be between 0 and 10"}
    columns, row = REQUIRED["ticket_versions"]
    feed = make_feed({**columns, "reopen_count": "x"}, "ticket_versions")
    [fault] = rejected(feed, row | {"x": "0"}, row | {"x": None}, row | {"x": "-1"})
    assert fault["reason"] == "reopen_count must not be less than 0"


def test_identifiers_that_fit_no_index_are_rejected(make_feed: MakeFeed) -> None:
    feed = make_feed({**LINE, "email": "email"})
    assert mapped(feed, ROW | {"email": "x" * 500})
    [fault] = rejected(feed, ROW | {"email": "x" * 501})
    assert fault["reason"] == "email is longer than 500 characters"


def test_nul_characters_are_rejected_in_any_column(make_feed: MakeFeed) -> None:
    [fault] = rejected(make_feed(LINE), ROW | {"extra": "a\0b"})
    assert (fault["column_name"], fault["value"]) == ("extra", "a***")
    assert "NUL" in fault["reason"]
    assert json.loads(fault["record"])["extra"] == "a\N{REPLACEMENT CHARACTER}b"


def test_values_of_people_are_masked_and_the_record_is_whole(make_feed: MakeFeed) -> None:
    feed = make_feed({**LINE, "email": "email"})
    [fault] = rejected(feed, ROW | {"email": "jane@example.com" * 40})
    assert fault["value"].startswith("j***")
    assert "jane" not in fault["reason"]
    assert json.loads(fault["record"])["email"].startswith("jane@example.com")


def test_columns_that_no_mapping_takes_are_the_payload(make_feed: MakeFeed) -> None:
    hard = 'a "quoted" \\ back\nline\ttab \x01 é'
    signs = 'a \\"quoted\\\\" back \\n é'
    lines = mapped(make_feed(LINE), ROW | {"a": hard, 'b"': "2"}, ROW | {"a": None, 'b"': "3"}, ROW)
    payloads = [json.loads(line["payload"]) if line["payload"] else None for line in lines]
    assert payloads == [{"a": hard, 'b"': "2"}, {'b"': "3"}, None]
    assert json.loads(mapped(make_feed(LINE), ROW | {"a": signs})[0]["payload"]) == {"a": signs}


def test_phones_become_e164_with_the_rows_country(make_feed: MakeFeed) -> None:
    feed = make_feed({**LINE, "phone": "Phone", "country": "country"})
    given = [
        ("07700 900123", "United Kingdom", "+447700900123"),
        ("07700 900123", "gb", "+447700900123"),
        ("(650) 253-0000", "USA", "+16502530000"),
        ("+49 30 901820", None, "+4930901820"),
        ("030 901820", "Germany", "+4930901820"),
        ("07700 900123", None, None),
        ("07700 900123", "Atlantis", None),
        ("call me", "GB", None),
        (None, "GB", None),
    ]
    lines = mapped(feed, *(ROW | {"Phone": phone, "country": country} for phone, country, _ in given))
    assert [line["phone"] for line in lines] == [expected for _, _, expected in given]
    kept = [json.loads(line["payload"])["Phone"] if line["payload"] else None for line in lines]
    assert kept == [phone if expected is None else None for phone, _, expected in given]


def test_unreadable_rows_are_rejected_with_their_text(make_feed: MakeFeed) -> None:
    broken = Chunk(
        chunk(ROW).rows, pa.array([2], pa.int64()), [Unreadable(3, 'a,"b\0', "1 field where 4 are expected")]
    )
    result = map_chunk(make_feed(LINE), broken)
    [fault] = result.rejected.to_pylist()
    assert (fault["line_number"], fault["reason"]) == (3, "1 field where 4 are expected")
    assert json.loads(fault["record"]) == {"text": 'a,"b\N{REPLACEMENT CHARACTER}'}


REQUIRED: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "order_lines": (dict(LINE), dict(ROW)),
    "survey_responses": (
        {"response_id": "id", "responded_at": "at", "metric": {"value": "nps"}, "score": "x"},
        {"id": "1", "at": "2026-01-01"},
    ),
    "ticket_versions": (
        {"ticket_id": "id", "opened_at": "at", "updated_at": "at", "status": {"value": "open"}},
        {"id": "1", "at": "2026-01-01"},
    ),
    "orders": ({"order_id": "id", "ordered_at": "at", "updated_at": "at"}, {"id": "1", "at": "2026-01-01"}),
    "contacts": ({"contact_id": "id", "updated_at": "at"}, {"id": "1", "at": "2026-01-01"}),
    "web_events": (
        {"event_id": "id", "event_name": "id", "occurred_at": "at"},
        {"id": "1", "at": "2026-01-01"},
    ),
}
