"""A feed in a bucket through its days, and copies of what was read in a bucket."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import yaml
from buckets import WRONG_SECRET, Bucket
from psycopg import sql

from rapport import warehouse
from rapport.landing import retention
from rapport.landing.kept_files import KeptFiles
from rapport.landing.load import FilesRefused, LoadCounts, load_feed, reload
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed

HEADER = "order,at,quantity,price\n"
COLUMNS: dict[str, Any] = {
    "order_id": "order",
    "ordered_at": "at",
    "quantity": "quantity",
    "unit_price": "price",
}
MENDED = {**COLUMNS, "quantity": {"column": "quantity", "map": {"1": "3"}}}
Query = Callable[[str], list[tuple[Any, ...]]]


def lines(*orders: int) -> bytes:
    return (HEADER + "".join(f"{order},2026-01-01,1,1\n" for order in orders)).encode()


@pytest.fixture
def feed_of(settings: Settings, bucket: Bucket) -> Callable[..., Feed]:
    def make(columns: dict[str, Any] = COLUMNS) -> Feed:
        read = {"files": bucket.url("landing/*.csv"), "connection": "shop_files"}
        folder = settings.config / "sources"
        folder.mkdir(exist_ok=True)
        written = {"stream": "order_lines", "read": read, "columns": columns}
        (folder / "shop.yml").write_text(yaml.safe_dump(written))
        return read_feeds(settings)[0]

    return make


@pytest.fixture
def kept(settings: Settings, bucket: Bucket) -> KeptFiles:
    """What config/landing.yml says: copies are in the bucket."""
    written = {"kept_files": bucket.url("kept"), "connection": "shop_files"}
    (settings.config / "landing.yml").write_text(yaml.safe_dump(written))
    store = retention.read_retention(settings).store
    assert store is not None
    return store


@pytest.fixture
def query(warehouse_url: str) -> Query:
    def run(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(warehouse_url) as connection:
            return connection.execute(sql.SQL(statement)).fetchall()  # type: ignore[arg-type]

    return run


def test_each_day_brings_what_is_new_in_it(
    feed_of: Callable[..., Feed], bucket: Bucket, warehouse_url: str, query: Query
) -> None:
    bucket.put("landing/1.csv", lines(1, 2))
    assert load_feed(warehouse_url, feed_of()) == LoadCounts(2, 2, 0, 0)
    assert load_feed(warehouse_url, feed_of()) == LoadCounts()
    bucket.put("landing/1.csv", lines(1, 2))
    bucket.put("landing/1 again.csv", lines(1, 2))
    assert load_feed(warehouse_url, feed_of()) == LoadCounts(), "the content is known"
    bucket.put("landing/2.csv", lines(3))
    assert load_feed(warehouse_url, feed_of()) == LoadCounts(1, 1, 0, 0)
    bucket.put("landing/2.csv", lines(3, 4))
    assert load_feed(warehouse_url, feed_of()) == LoadCounts(2, 1, 1, 0)
    bucket.delete("landing/2.csv")
    assert load_feed(warehouse_url, feed_of()) == LoadCounts()
    assert query("select feed, file from ops.vanished_files") == [("shop", "shop/landing/2.csv")]
    assert query("select count(*) from raw.order_lines") == [(4,)]


def test_copies_in_a_bucket_are_kept_read_and_removed(
    feed_of: Callable[..., Feed],
    bucket: Bucket,
    kept: KeptFiles,
    settings: Settings,
    warehouse_url: str,
    query: Query,
) -> None:
    bucket.put("landing/1.csv", lines(1, 2))
    bucket.put("landing/2.csv", lines(3))
    load_feed(warehouse_url, feed_of(), kept=kept)
    copies = [name for name in bucket.names() if name.startswith("kept/")]
    named = query("select file_hash, location from ops.kept_files order by 1")
    assert copies == [f"kept/{digest[:2]}/{digest}.zst" for digest, _ in named]
    assert {location for _, location in named} == {bucket.url("kept")}

    bucket.delete("landing/1.csv")
    reload(warehouse_url, feed_of())
    assert load_feed(warehouse_url, feed_of(MENDED), kept=kept).rows_read == 3
    current = "inner join ops.load_batches using (batch_id) where replaced_by is null"
    assert query(f"select count(*), min(quantity)::int from raw.order_lines {current}") == [(3, 3)]

    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        later = datetime.now(UTC) + timedelta(days=31)
        assert retention.tidy(connection, settings, later).kept_files == 2
    assert [name for name in bucket.names() if name.startswith("kept/")] == []


def test_a_store_of_copies_that_does_not_answer_takes_nothing_of_the_load(
    feed_of: Callable[..., Feed],
    bucket: Bucket,
    kept: KeptFiles,
    settings: Settings,
    warehouse_url: str,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    no_wait: None,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_FILES", json.dumps(bucket.wrong))
    refused = retention.read_retention(settings).store
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_FILES", json.dumps(bucket.connection))
    bucket.put("landing/1.csv", lines(1, 2))
    with pytest.raises(
        FilesRefused, match=r"does not answer as it should .*: copies cannot be kept"
    ) as error:
        load_feed(warehouse_url, feed_of(), kept=refused)
    assert bucket.url("kept") in str(error.value)
    assert WRONG_SECRET not in str(error.value)
    assert query("select count(*) from raw.order_lines") == [(2,)]
    assert load_feed(warehouse_url, feed_of(), kept=kept) == LoadCounts()
    assert query("select count(*) from ops.kept_files where stored_bytes > 0") == [(1,)]

    bucket.delete("landing/1.csv")
    bucket.put("landing/2.csv", lines(3))
    reload(warehouse_url, feed_of())
    with pytest.raises(FilesRefused, match=r"the copy of shop/landing/1\.csv cannot be read"):
        load_feed(warehouse_url, feed_of(), kept=refused)
    assert query("select count(*) from raw.order_lines") == [(3,)], "the other file is loaded"
    assert load_feed(warehouse_url, feed_of(), kept=kept).rows_read == 2, "the copy is not given up"
