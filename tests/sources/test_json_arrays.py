"""JSON arrays, whole or within a document, read as a stream."""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.errors import InputError
from rapport.sources import json_array, json_files
from rapport.sources.chunk import Chunk
from rapport.sources.feed import Feed
from rapport.sources.files import find_files, read_chunks
from rapport.sources.json_array import NotAnArray, array_elements
from rapport.sources.json_columns import JsonColumns

MakeFeed = Callable[..., Feed]
CONTACT = {"contact_id": "id", "updated_at": "at"}

scalars = (
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=5), values, max_size=4)


def in_blocks(text: str, size: int) -> Iterator[bytes]:
    data = text.encode()
    return iter([data[at : at + size] for at in range(0, len(data), size)])


@settings(max_examples=60)
@given(st.lists(values), st.integers(1, 40), st.sampled_from([None, 2]), st.booleans())
def test_an_array_in_any_blocks_gives_its_elements(
    elements: list[object], size: int, indent: int | None, is_ascii: bool
) -> None:
    text = json.dumps(elements, indent=indent, ensure_ascii=is_ascii)
    assert [json.loads(found) for found in array_elements(in_blocks(text, size), ())] == elements


@settings(max_examples=50)
@given(st.lists(objects, max_size=4), st.dictionaries(st.text(), values, max_size=3), st.integers(1, 40))
def test_a_list_within_a_document_is_found_behind_anything(
    elements: list[object], beside: dict[str, object], size: int
) -> None:
    beside = {key: value for key, value in beside.items() if key not in ("data", "items")}
    text = json.dumps({**beside, "data": {**beside, "items": elements, "next": {"a": "}]"}}, "end": [1]})
    assert [
        json.loads(found) for found in array_elements(in_blocks(text, size), ("data", "items"))
    ] == elements


@settings(max_examples=60)
@given(st.lists(objects, min_size=1, max_size=8), st.booleans())
def test_columns_hold_what_the_objects_hold(records: list[dict[str, object]], is_ascii: bool) -> None:
    columns = JsonColumns()
    for record in records:
        columns.add(json.dumps(record, ensure_ascii=is_ascii).encode())
    batch = columns.take()
    assert batch.num_rows == len(records)
    batch.validate(full=True)
    for key in {key for record in records for key in record}:
        for record, text in zip(records, batch.column(key).to_pylist(), strict=True):
            value = record.get(key)
            if value is None or value == "":
                assert text is None
            elif isinstance(value, str):
                assert text == value
            else:
                assert json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "keys", "reason"),
    [
        ('[{"a": 1}, {"a"', "", "the list ends early, after record 1"),
        ('[{"a": 1}', "", "the list ends early, after record 0"),
        ("[", "", "the list ends early, after record 0"),
        ('[{"a": 1}] x', "", "something follows the end of the list, after record 1"),
        ('{"a": 1}', "", "the document is no list"),
        ('{"data": {"itms": []}}', "data.items", "data has no items; it has: itms"),
        ('{"data": []}', "data.items", "data is no object that could hold items"),
        ('{"data": {"items": 5}}', "data.items", "data.items is no list"),
        ('{"data": [1, 2], ', "data", "the document ends early, after its list"),
        ('{"data": [1, 2]}, 5', "data", "something follows the end of the list"),
        ('{"data" [1, 2]}', "data", "the document is not JSON after the key data"),
        ('{"x": {"y": ', "data", "the document ends early; it was cut off"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_document_without_the_list_says_what_is_there(text: str, keys: str, reason: str, size: int) -> None:
    with pytest.raises(NotAnArray) as error:
        list(array_elements(in_blocks(text, size), tuple(keys.split(".")) if keys else ()))
    assert reason in str(error.value)


def test_a_record_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "LONGEST_RECORD", 1 << 20)
    with pytest.raises(NotAnArray, match="record 1 is longer than 1 MB"):
        list(array_elements(in_blocks('[{"a": "' + "x" * (2 << 20), 1 << 18), ()))


@pytest.fixture
def feed(make_feed: MakeFeed) -> Feed:
    return make_feed(CONTACT, "contacts", read={"files": "landing/*"})


def write(feed: Feed, content: bytes, name: str = "a.json") -> None:
    folder = Path(feed.read.files).parent
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


def read(feed: Feed) -> list[Chunk]:
    return [chunk for file in find_files(feed) for chunk in read_chunks(feed, file)]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz"])
def test_each_record_of_an_array_has_its_number(feed: Feed, name: str) -> None:
    write(
        feed,
        b'\xef\xbb\xbf \n[{"id": 1.10, "at": "x"},\n {"id": "\\u00e9\\"", "at": null}, 5, {"id": 01}]',
        name,
    )
    [chunk] = read(feed)
    assert chunk.rows.to_pylist() == [{"id": "1.10", "at": "x"}, {"id": 'é"', "at": None}]
    assert chunk.lines.to_pylist() == [1, 2]
    assert [(row.line_number, row.text) for row in chunk.unreadable] == [(3, "5"), (4, '{"id": 01}')]
    assert "this is not JSON" in chunk.unreadable[1].reason


def test_the_list_of_an_answer_is_read_from_where_it_is(make_feed: MakeFeed) -> None:
    feed = make_feed(CONTACT, "contacts", read={"files": "landing/*", "records_at": "data.items"})
    write(feed, b'{\n"page": 1,\n"data": {"items": [{"id": 1, "at": "x"}]}}')
    assert read(feed)[0].rows.to_pylist() == [{"id": "1", "at": "x"}]


def test_a_document_over_several_lines_is_asked_for_its_list(feed: Feed) -> None:
    write(feed, b'{\n  "items": [{"id": 1}]\n}')
    with pytest.raises(InputError, match=r"a\.json, line 1: this is one JSON object over several lines"):
        read(feed)


def test_an_array_that_is_cut_off_is_refused_whole(feed: Feed) -> None:
    write(feed, json.dumps([{"id": n, "at": "x"} for n in range(9)]).encode()[:-3])
    with pytest.raises(InputError, match=r"a\.json cannot be read: the list ends early, after record 8"):
        read(feed)


def test_an_empty_array_is_a_file_without_rows(feed: Feed) -> None:
    write(feed, b" [ ] ")
    assert read(feed) == []


def test_another_encoding_is_read(make_feed: MakeFeed) -> None:
    feed = make_feed(CONTACT, "contacts", read={"files": "landing/*", "encoding": "utf-16"})
    write(feed, json.dumps([{"id": "Zoë", "at": 1}], ensure_ascii=False).encode("utf-16"))
    assert read(feed)[0].rows.to_pylist() == [{"id": "Zoë", "at": "1"}]


def test_keys_that_are_values_are_no_columns(feed: Feed) -> None:
    write(
        feed,
        json.dumps([{"id": 1, "at": 1, **{f"{n}-{m}": 1 for m in range(99)}} for n in range(60)]).encode(),
    )
    with pytest.raises(InputError, match="record 51: the objects have more than 5000 different keys"):
        read(feed)


def test_a_key_that_comes_late_is_missing_before(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "CHUNK_ROWS", 2)
    rng = random.Random(1)
    records = [{"id": n, "at": 1, f"k{rng.randrange(20)}": n, 'odd"key': n} for n in range(40)]
    write(feed, json.dumps(records).encode())
    found = [row for chunk in read(feed) for row in chunk.rows.to_pylist()]
    assert [{k: int(v) for k, v in row.items() if v is not None} for row in found] == records
