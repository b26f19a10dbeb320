"""What ADBC drivers give is what SQLAlchemy gives, and their failures are sentences as well."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import yaml

from rapport.errors import ConfigurationError, InputError, SourceRefused, SourceUnavailable
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.databases import DatabaseDelivery
from rapport.sources.feed import Feed

KINDS = """
create table kinds as
select
    n as id, timestamptz '2026-01-01 12:30:00+02' + n * interval '1 second' as changed_at,
    timestamp '2026-01-01 12:30:00.5' as local, date '2026-02-03' as day, time '23:59:59' as clock,
    n * 0.10 as price, 12345678901234567890.123456789 as digits, n::bigint as large, n % 2 = 0 as is_even,
    'ä "x"' as name, '' as empty, null::text as nothing, '{"a": 1.50, "b": null}'::jsonb as json,
    array[1, 2] as list, '\\xdeadbeef'::bytea as bytes, gen_random_uuid() as uuid, 0.1::float8 as real
from generate_series(1, 2000) as n
"""


@pytest.fixture
def feed_of(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Feed]:
    """The feed of a table or query in the database at a URL."""

    def make(url: str, **database: Any) -> Feed:
        monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", url)
        folder = settings.config / "sources"
        folder.mkdir(exist_ok=True)
        read = {"database": {"connection": "shop_db", **database}}
        columns = {"contact_id": "id", "updated_at": "changed_at"}
        written = {"stream": "contacts", "read": read, "columns": columns}
        (folder / "shop.yml").write_text(yaml.safe_dump(written))
        return read_feeds(settings)[0]

    return make


def read(feed: Feed, kept: Any = None) -> tuple[pa.Table, Any]:
    delivery = DatabaseDelivery(feed, feed.origin, kept)  # type: ignore[arg-type]
    rows = pa.Table.from_batches([chunk.rows for chunk in delivery.chunks()])
    return rows, delivery.cursor()


def test_every_kind_of_value_is_the_same_text(warehouse_url: str, feed_of: Callable[..., Feed]) -> None:
    with psycopg.connect(warehouse_url) as shop:
        shop.execute(KINDS)  # type: ignore[arg-type]
    adbc_url = warehouse_url.replace("postgresql", "adbc-postgresql", 1)
    expected, end = read(feed_of(warehouse_url, table="kinds", cursor="changed_at"))
    found, adbc_end = read(feed_of(adbc_url, table="kinds", cursor="changed_at"))
    assert adbc_end == end
    assert found.column_names == expected.column_names
    for name in found.column_names:
        assert found[name].to_pylist() == expected[name].to_pylist(), name
    assert found["changed_at"][0].as_py() == "2026-01-01T10:30:01+00:00"
    later, _ = read(feed_of(adbc_url, table="kinds", cursor="changed_at", overlap="10s"), end)
    assert later.num_rows == 11, "the last one and ten seconds before it"


@pytest.mark.parametrize("cursor", ["large", "price"])
def test_a_cursor_may_be_any_number(warehouse_url: str, feed_of: Callable[..., Feed], cursor: str) -> None:
    with psycopg.connect(warehouse_url) as shop:
        shop.execute(KINDS)  # type: ignore[arg-type]
    adbc_url = warehouse_url.replace("postgresql", "adbc-postgresql", 1)
    feed = feed_of(adbc_url, table="kinds", cursor=cursor, overlap="10")
    _, end = read(feed)
    assert end["number"] == {"large": "2000", "price": "200.00"}[cursor]
    assert read(feed, end)[0].num_rows == {"large": 11, "price": 101}[cursor]


def test_failures_are_sentences_without_secrets(warehouse_url: str, feed_of: Callable[..., Feed]) -> None:
    user, _, rest = warehouse_url.partition("://")[2].partition(":")
    wrong = f"adbc-postgresql://{user}:wrong-secret@{rest.partition('@')[2]}"
    with pytest.raises(SourceRefused, match="mend the connection shop_db") as refused:
        read(feed_of(wrong, table="kinds"))
    assert "wrong-secret" not in str(refused.value)
    with pytest.raises(SourceUnavailable, match="the database does not answer") as gone:
        read(feed_of("adbc-postgresql://mia:secret@127.0.0.1:1/shop", table="kinds"))
    assert "secret" not in str(gone.value)
    with pytest.raises(ConfigurationError, match="install adbc-driver-snowflake, or write") as missing:
        read(feed_of("adbc-snowflake://mia:secret@127.0.0.1/shop", table="kinds"))
    assert "secret" not in str(missing.value)
    with pytest.raises(ConfigurationError, match="is not installed"):
        read(feed_of("adbc-os.path://127.0.0.1/shop", table="kinds"))


def test_a_beginning_is_no_sql(warehouse_url: str, feed_of: Callable[..., Feed]) -> None:
    adbc_url = warehouse_url.replace("postgresql", "adbc-postgresql", 1)
    with psycopg.connect(warehouse_url) as shop:
        shop.execute(KINDS)  # type: ignore[arg-type]
    for evil in ("2026-01-01' or 1 = 1 --", "2026-01-01\\' or 1 = 1 --"):
        with pytest.raises(InputError, match="invalid input syntax for type timestamp"):
            read(feed_of(adbc_url, table="kinds", cursor="changed_at", start=evil))


def test_a_query_keeps_its_percent_signs_and_colons(tmp_path: Path, feed_of: Callable[..., Feed]) -> None:
    import sqlite3

    path = tmp_path / "it's a shop.db"
    with sqlite3.connect(path) as shop:
        shop.executescript("create table people (id, changed_at); insert into people values (1, '10:30%')")
    shop.close()
    feed = feed_of(
        f'{{"conn_type": "adbc_sqlite", "host": "{path}"}}',
        query="select id, changed_at, ':x' as colon from people where changed_at like '%:%';",
    )
    assert read(feed)[0].to_pylist() == [{"id": "1", "changed_at": "10:30%", "colon": ":x"}]
