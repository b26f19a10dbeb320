"""Tables and queries of a shop's PostgreSQL and SQLite, loaded into the warehouse."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from rapport.errors import ConfigurationError, SourceUnavailable
from rapport.landing import held
from rapport.landing.load import FilesRefused, LoadCounts, load_feed, reload
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]

CONTACTS = {"contact_id": "id", "updated_at": "changed_at", "first_name": "name"}
TABLE = """
create table people (id integer primary key, "name" text, changed_at {time}, note {json});
insert into people (id, "name", changed_at, note) values
    (1, 'Ann', '2026-01-01 10:00:00{zone}', '{{"a": 1.50}}'),
    (2, 'Bob', '2026-01-01 11:00:00{zone}', null);
"""


@pytest.fixture
def make_feed(settings: Settings) -> MakeFeed:
    """A feed of contacts from the database `shop_db`; keys of `read.database` by keyword."""

    def make(name: str = "people", columns: dict[str, Any] = CONTACTS, **database: Any) -> Feed:
        keys = {"table": "people", "cursor": "changed_at", **database}
        read = {"database": {"connection": "shop_db", **{k: v for k, v in keys.items() if v is not None}}}
        folder = settings.config / "sources"
        folder.mkdir(exist_ok=True)
        written = {"stream": "contacts", "source": "shop", "read": read, "columns": columns}
        (folder / f"{name}.yml").write_text(yaml.safe_dump(written, sort_keys=False))
        return next(feed for feed in read_feeds(settings) if feed.name == name)

    return make


@pytest.fixture
def query(warehouse_url: str) -> Query:
    def run(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(warehouse_url) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[arg-type]

    return run


@pytest.fixture(params=["postgresql", "adbc-postgresql"])
def shop_postgres(request: pytest.FixtureRequest, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A shop's own table, in the database that Airflow knows as `shop_db`; by SQLAlchemy and by ADBC."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", warehouse_url.replace("postgresql", request.param, 1))
    with psycopg.connect(warehouse_url) as shop:
        shop.execute(TABLE.format(time="timestamptz", zone="+00", json="jsonb"))  # type: ignore[arg-type]
    return warehouse_url


@pytest.fixture(params=["sqlite", "adbc_sqlite"])
def shop_sqlite(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Runs a script in a shop's SQLite file, known to Airflow as `shop_db`."""
    path = tmp_path / "shop.db"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", json.dumps({"conn_type": request.param, "host": str(path)}))

    def run(script: str) -> None:
        with sqlite3.connect(path) as connection:
            connection.executescript(script)
        connection.close()

    run(TABLE.format(time="timestamp", zone="", json="text"))
    return run


def names(query: Query) -> list[str]:
    return [name for (name,) in query("select first_name from raw.contacts order by batch_id, contact_id")]


def test_a_table_is_read_whole_and_then_what_is_new(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    feed = make_feed()
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 2, 0, 0)
    assert load_feed(warehouse_url, feed).rows_loaded == 0
    with psycopg.connect(shop_postgres) as shop:
        shop.execute("update people set name = 'Anna', changed_at = '2026-01-02 10:00+00' where id = 1")
        shop.execute("insert into people values (3, 'Cid', '2026-01-02 09:59+00', null)")
    assert load_feed(warehouse_url, feed) == LoadCounts(3, 2, 1, 0), "Bob is within the overlap"
    assert names(query) == ["Ann", "Bob", "Anna", "Cid"]
    [(payload, file, line)] = query(
        "select payload, file, line_number from raw.contacts join ops.load_batches using (batch_id)"
        " where first_name = 'Ann'"
    )
    assert payload == {"note": '{"a": 1.50}'}
    assert (file, line) == ("shop_db: people", 1)
    [(cursor,)] = query("select cursor from ops.source_cursors")
    assert cursor == {"mapping": feed.mapping_hash, "time": "2026-01-02T10:00:00+00:00"}


def test_what_is_committed_late_is_read_by_the_next_reading(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    feed = make_feed(overlap="10m")
    with psycopg.connect(shop_postgres) as slow:
        slow.execute("insert into people values (3, 'Late', '2026-01-01 10:55+00', null)")
        load_feed(warehouse_url, feed)
        assert names(query) == ["Ann", "Bob"]
        slow.commit()
        slow.execute("insert into people values (4, 'Too late', '2026-01-01 10:49+00', null)")
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 1, 1, 0)
    assert names(query) == ["Ann", "Bob", "Late"], "what is older than the overlap is not looked for"


def test_equal_values_at_the_border_are_not_missed(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    feed = make_feed(overlap="0")
    load_feed(warehouse_url, feed)
    with psycopg.connect(shop_postgres) as shop:
        shop.execute("insert into people values (3, 'Twin', '2026-01-01 11:00+00', null)")
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 1, 1, 0)
    assert names(query)[-1] == "Twin"


def test_rows_without_a_cursor_value_are_not_missed(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    columns = {**CONTACTS, "updated_at": {"value": "2026-01-01"}}
    feed = make_feed(columns=columns)
    load_feed(warehouse_url, feed)
    with psycopg.connect(shop_postgres) as shop:
        shop.execute("insert into people values (3, 'Timeless', null, null)")
    assert load_feed(warehouse_url, feed).rows_loaded == 1
    assert names(query)[-1] == "Timeless"
    [(kept,)] = query("select cursor ->> 'time' from ops.source_cursors")
    assert kept == "2026-01-01T11:00:00+00:00"


def test_a_time_in_the_future_does_not_hide_what_comes_before_it(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    feed = make_feed()
    with psycopg.connect(shop_postgres) as shop:
        shop.execute("insert into people values (3, 'Time traveller', '2199-01-01 11:00+00', null)")
    load_feed(warehouse_url, feed)
    with psycopg.connect(shop_postgres) as shop:
        shop.execute("insert into people values (4, 'Contemporary', now(), null)")
    load_feed(warehouse_url, feed)
    assert names(query)[-1] == "Contemporary"


def test_a_cursor_of_numbers_overlaps_by_numbers(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    feed = make_feed(cursor="id", overlap="5")
    with psycopg.connect(shop_postgres) as shop:
        shop.execute("insert into people values (20, 'Twenty', '2026-01-01 11:00+00', null)")
    load_feed(warehouse_url, feed)
    with psycopg.connect(shop_postgres) as shop:
        shop.execute("insert into people values (15, 'Fifteen', '2026-01-01 11:00+00', null)")
        shop.execute("insert into people values (14, 'Fourteen', '2026-01-01 11:00+00', null)")
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 1, 1, 0)
    assert names(query)[-1] == "Fifteen"


def test_a_query_may_hold_casts_percent_signs_and_a_semicolon(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    asked = (
        "select id, name || ' 100%:x' as name, changed_at::timestamptz from people where name like 'A%'; -- x"
    )
    assert load_feed(warehouse_url, make_feed(table=None, query=asked.replace(" -- x", ""))).rows_loaded == 1
    assert names(query) == ["Ann 100%:x"]


def test_identifiers_are_quoted(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    name = 'Mixed "case"; drop table people; --'
    with psycopg.connect(shop_postgres) as shop:
        quoted = name.replace('"', '""')
        shop.execute(f'create table public."{quoted}" as select id, name, changed_at as "When %" from people')  # type: ignore[arg-type]
    columns = {**CONTACTS, "updated_at": "When %"}
    feed = make_feed(table=f"public.{name}", cursor="When %", columns=columns)
    load_feed(warehouse_url, feed)
    assert load_feed(warehouse_url, feed).rows_rejected == 0
    assert names(query) == ["Ann", "Bob"]
    with psycopg.connect(shop_postgres) as shop:
        assert shop.execute("select count(*) from people").fetchone() == (2,)


def test_reading_cannot_write(make_feed: MakeFeed, shop_postgres: str, warehouse_url: str) -> None:
    with psycopg.connect(shop_postgres) as shop:
        shop.execute(
            "create function erase() returns setof people language sql as 'delete from people returning *'"
        )
    with pytest.raises(FilesRefused, match="read-only transaction"):
        load_feed(warehouse_url, make_feed(table=None, query="select * from erase()"))


def test_a_mended_mapping_reads_everything_again(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    load_feed(warehouse_url, make_feed(columns={"contact_id": "id", "updated_at": "changed_at"}))
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(2, 2, 0, 0)
    assert names(query)[-2:] == ["Ann", "Bob"]


def test_reload_reads_from_the_beginning(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    feed = make_feed()
    load_feed(warehouse_url, feed)
    with psycopg.connect(shop_postgres) as shop:
        shop.execute("insert into people values (3, 'Old', '2020-01-01 11:00+00', null)")
    assert load_feed(warehouse_url, feed).rows_loaded == 0
    reload(warehouse_url, feed)
    assert load_feed(warehouse_url, feed).rows_loaded == 1


def test_a_reading_begins_where_it_is_told(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    load_feed(warehouse_url, make_feed(start="2026-01-01T10:30:00Z"))
    assert names(query) == ["Bob"]


def test_nothing_of_a_reading_that_fails_is_kept(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    feed = make_feed(table=None, query="select id, name, changed_at, 1 / (id - 2) as note from people")
    with pytest.raises(FilesRefused, match=r"people: the database cannot answer: .*division by zero"):
        load_feed(warehouse_url, feed)
    assert query("select count(*) from raw.contacts") == [(0,)]
    assert query("select count(*) from ops.source_cursors") == [(0,)]


@pytest.mark.parametrize(
    ("database", "sentence"),
    [
        ({"table": "peeple"}, 'relation "peeple" does not exist'),
        ({"cursor": "changed"}, "column \"changed\" does not exist|there is no column 'changed'"),
        ({"table": None, "query": "select id, id, name, changed_at from people"}, "gives id twice"),
        ({"table": None, "query": "select id, name as nam, changed_at from people"}, "did you mean 'nam'"),
        ({"cursor": "name"}, "neither a time nor a number"),
    ],
)
def test_what_the_database_cannot_answer_is_named(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, database: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(FilesRefused, match=sentence):
        load_feed(warehouse_url, make_feed(**database))


def test_a_wrong_password_is_named_and_not_shown(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, _, rest = shop_postgres.partition("://")[2].partition(":")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", f"postgresql://{user}:wrong-secret@{rest.partition('@')[2]}")
    with pytest.raises(FilesRefused, match="mend the connection shop_db") as caught:
        load_feed(warehouse_url, make_feed())
    assert "wrong-secret" not in str(caught.value)


def test_a_database_that_is_gone_can_be_asked_again(
    make_feed: MakeFeed, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", "postgresql://mia:secret@127.0.0.1:1/shop")
    with pytest.raises(SourceUnavailable, match="shop_db: people: the database does not answer") as caught:
        load_feed(warehouse_url, make_feed())
    assert "secret" not in str(caught.value)


def test_a_connection_of_no_known_type_is_named(
    make_feed: MakeFeed, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", "nosuchsql://mia:secret@127.0.0.1/shop")
    with pytest.raises(ConfigurationError, match="no driver for the type nosuchsql") as caught:
        load_feed(warehouse_url, make_feed())
    assert "secret" not in str(caught.value)


def test_a_file_of_sqlite_is_read_by_its_texts(
    make_feed: MakeFeed, shop_sqlite: Callable[[str], None], warehouse_url: str, query: Query
) -> None:
    feed = make_feed(overlap="10m")
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 2, 0, 0)
    shop_sqlite(
        "insert into people values (3, 'Late', '2026-01-01 10:50:00', null),"
        " (4, 'Too late', '2026-01-01 10:49:59', null), (5, 'Timeless', null, null)"
    )
    assert load_feed(warehouse_url, feed) == LoadCounts(3, 1, 1, 1)
    assert names(query) == ["Ann", "Bob", "Late"]
    [(kept,)] = query("select cursor ->> 'text' from ops.source_cursors")
    assert kept == "2026-01-01 11:00:00"


def test_a_snapshot_reads_everything_and_notes_what_is_gone(
    make_feed: MakeFeed,
    shop_sqlite: Callable[[str], None],
    warehouse_url: str,
    settings: Settings,
    query: Query,
) -> None:
    feed = make_feed(cursor=None)
    path = settings.config / "sources" / "people.yml"
    path.write_text("mode: snapshot\n" + path.read_text())
    [feed] = read_feeds(settings)
    load_feed(warehouse_url, feed)
    shop_sqlite("delete from people where id = 1")
    load_feed(warehouse_url, feed)
    assert query("select contact_id from raw.contacts where is_deleted") == [("1",)]
    shop_sqlite("insert into people values (1, 'Ann', '2026-01-01 10:00:00', null)")
    assert load_feed(warehouse_url, feed).rows_loaded == 1


def test_a_held_reading_keeps_its_cursor_until_it_is_decided(
    make_feed: MakeFeed, shop_postgres: str, warehouse_url: str, query: Query
) -> None:
    feed = make_feed()
    with psycopg.connect(shop_postgres) as shop:
        shop.execute(
            "insert into people select 100 + n, 'Nobody', null, null from generate_series(1, 20) as n"
        )
    with pytest.raises(FilesRefused, match="20 of 22 rows would be rejected"):
        load_feed(warehouse_url, feed)
    assert query("select count(*) from ops.source_cursors") == [(0,)]
    with psycopg.connect(shop_postgres) as shop:
        shop.execute("insert into people values (3, 'Cid', '2026-01-02 09:59+00', null)")
    with psycopg.connect(warehouse_url) as connection:
        held.accept(connection, feed.name)
    assert load_feed(warehouse_url, feed) == LoadCounts(23, 3, 0, 20)
    assert query("select count(*) from ops.load_batches where state = 'held' and superseded_at is null") == [
        (0,)
    ]
    with psycopg.connect(shop_postgres) as shop:
        shop.execute(
            "insert into people select 200 + n, 'Nobody', null, null from generate_series(1, 20) as n"
        )
    with pytest.raises(FilesRefused, match="40 of"):
        load_feed(warehouse_url, feed)
