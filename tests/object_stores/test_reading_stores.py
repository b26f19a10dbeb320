"""Files in object stores are found and read with the credentials of an Airflow connection."""

import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from buckets import WRONG_SECRET, Bucket

from rapport.errors import InputError
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed
from rapport.sources.files import find_files, read_chunks

FeedOf = Callable[..., Feed]


@pytest.fixture
def feed_of(tmp_path: Path, bucket: Bucket) -> FeedOf:
    """The feed of a pattern in the bucket."""

    def make(pattern: str = "contacts/*") -> Feed:
        folder = tmp_path / "config" / "sources"
        folder.mkdir(parents=True, exist_ok=True)
        read = {"files": bucket.url(pattern), "connection": "shop_files"}
        columns = {"contact_id": "id", "updated_at": "at"}
        written = yaml.safe_dump({"stream": "contacts", "read": read, "columns": columns})
        (folder / "shop.yml").write_text(written)
        return read_feeds(Settings(tmp_path / "home", tmp_path / "config", None, None, None))[0]

    return make


def rows(feed: Feed) -> list[tuple[str, str]]:
    return [
        (row["id"], row["at"])
        for file in find_files(feed)
        for chunk in read_chunks(feed, file)
        for row in chunk.rows.to_pylist()
    ]


def parquet() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"id": ["3"], "at": ["z"]}), written)
    return written.getvalue()


def test_files_of_a_bucket_are_read(feed_of: FeedOf, bucket: Bucket) -> None:
    bucket.put("contacts/a b+c.csv.gz", gzip.compress(b"id,at\n1,x\n"))
    bucket.put("contacts/b.jsonl", b'{"id": 2, "at": "y"}')
    bucket.put("contacts/c.parquet", parquet())
    bucket.put("contacts/deeper/d.csv", b"no")
    bucket.put("others/d.csv", b"no")
    assert rows(feed_of()) == [("1", "x"), ("2", "y"), ("3", "z")]
    assert find_files(feed_of())[0].path == "shop/contacts/a b+c.csv.gz"
    assert rows(feed_of("contacts/b.jsonl")) == [("2", "y")]
    assert rows(feed_of("contacts/[ab]*")) == [("1", "x"), ("2", "y")]


def test_a_new_and_a_changed_object_are_seen_and_a_copy_is_the_same(feed_of: FeedOf, bucket: Bucket) -> None:
    bucket.put("contacts/a.csv", b"id,at\n1,x\n")
    [first] = find_files(feed_of())
    mark, content = first.fingerprint(), first.content_hash()
    assert first.fingerprint() == mark
    assert first.is_settled(2)  # the store tells versions apart at once
    bucket.put("contacts/b.csv", b"id,at\n1,x\n")
    assert [file.content_hash() for file in find_files(feed_of())] == [content, content]
    bucket.put("contacts/a.csv", b"id,at\n1,z\n")
    assert first.fingerprint() != mark
    assert find_files(feed_of())[0].content_hash() != content
    bucket.delete("contacts/a.csv")
    assert [file.path for file in find_files(feed_of())] == ["shop/contacts/b.csv"]


def test_a_large_object_is_read_in_parts(feed_of: FeedOf, bucket: Bucket) -> None:
    lines = b"".join(b"%d,%s\n" % (n, b"x" * 80) for n in range(150_000))
    bucket.put("contacts/a.csv", b"id,at\n" + lines)
    found = rows(feed_of())
    assert (len(found), found[0], found[-1][0]) == (150_000, ("0", "x" * 80), "149999")


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (
            "contcts/*.csv",
            "no file matches shop/contcts/*.csv: the folder shop/contcts does not exist",
        ),
        ("contacts/b.csv", "there is no file shop/contacts/b.csv; did you mean a.csv?"),
    ],
)
def test_objects_that_are_not_there_are_a_sentence(
    feed_of: FeedOf, bucket: Bucket, pattern: str, sentence: str
) -> None:
    bucket.put("contacts/a.csv", b"id,at\n1,x\n")
    with pytest.raises(InputError) as error:
        rows(feed_of(pattern))
    assert sentence in str(error.value)


@pytest.mark.parametrize("pattern", ["contacts/*.csv", "contacts/a.csv"])
def test_a_wrong_secret_is_a_sentence_without_it(
    feed_of: FeedOf, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, no_wait: None, pattern: str
) -> None:
    bucket.put("contacts/a.csv", b"id,at\n1,x\n")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_FILES", json.dumps(bucket.wrong))
    with pytest.raises(InputError) as error:
        rows(feed_of(pattern))
    assert bucket.url(pattern) in str(error.value)
    assert re.search(r"are the connection's credentials, .* right\?|Check your key", str(error.value))
    assert WRONG_SECRET not in str(error.value)
