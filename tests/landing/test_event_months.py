from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rapport import warehouse
from rapport.landing import event_months
from rapport.landing.load import load_feed
from rapport.landing.transaction import LoadCounts
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]

COLUMNS = {"event_id": "id", "event_name": "name", "occurred_at": "at"}
PARTITIONS = "select tableoid::regclass::text, count(*) from raw.web_events group by 1 order by 1"


@pytest.fixture
def feed(make_feed: MakeFeed) -> Feed:
    return make_feed("web_events", columns=COLUMNS)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_months, "EVENTS_FOR_A_MONTH", 3)


def write(path: Path, *events: tuple[str, str]) -> None:
    path.write_text("id,name,at\n" + "".join(f"{key},view,{at}\n" for key, at in events))


def test_events_find_the_partition_of_their_month(
    feed: Feed, landing: Path, warehouse_url: str, query: Query
) -> None:
    april = [(f"a{n}", "2026-04-30 23:59:59.999999") for n in range(3)]
    may = [(f"m{n}", "2026-05-01T00:00:00+00:00") for n in range(3)]
    write(landing / "shop.csv", *april, *may)
    load_feed(warehouse_url, feed)
    assert query(PARTITIONS) == [("raw.web_events_2026_04", 3), ("raw.web_events_2026_05", 3)]
    old = [(f"o{n}", "2011-02-03 04:05") for n in range(3)]
    write(landing / "shop_old.csv", *old)
    assert load_feed(warehouse_url, feed) == LoadCounts(3, 3, 0, 0)
    assert query(PARTITIONS)[0] == ("raw.web_events_2011_02", 3)


def test_months_are_there_ahead(warehouse_url: str) -> None:
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        connection.execute("create temp table landed (occurred_at timestamptz)")
        event_months.make_landed_months(connection, now=datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
        months = [partition.month for partition in event_months.event_months(connection)]
    assert months == [date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)]


def test_a_few_events_of_wrong_clocks_make_no_partitions(
    feed: Feed, landing: Path, warehouse_url: str, query: Query
) -> None:
    write(
        landing / "shop1.csv",
        *[(f"w{year}", f"{year}-01-01") for year in range(1950, 2010)],
        ("x", "1999-07-01"),
    )
    load_feed(warehouse_url, feed)
    assert query(PARTITIONS) == [("raw.web_events_other", 61)]
    # When such a month fills, its early events move in with the others.
    write(landing / "shop2.csv", *[(f"n{n}", "1999-07-02") for n in range(3)], ("x", "1999-07-01"))
    assert load_feed(warehouse_url, feed) == LoadCounts(4, 3, 1, 0)
    assert query(PARTITIONS) == [("raw.web_events_1999_07", 4), ("raw.web_events_other", 60)]
    assert query("select count(*), count(distinct batch_id) from raw.web_events_1999_07") == [(4, 2)]


@pytest.mark.parametrize("order", [1, -1])
def test_an_event_that_comes_again_with_another_time_is_the_same(
    feed: Feed, landing: Path, warehouse_url: str, query: Query, order: int
) -> None:
    months = [[(f"{month}{n}", f"2026-0{month}-10") for n in range(3)] for month in (3, 4, 5)]
    again = [("e", "2026-03-10"), ("e", "2026-04-10"), ("e", "2026-05-10")][::order]
    write(landing / "shop0.csv", *months[0], *months[1], *months[2])
    load_feed(warehouse_url, feed)
    write(landing / "shop1.csv", again[0], again[1])  # in one file
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 1, 1, 0)
    write(landing / "shop2.csv", again[2], ("30", "2026-05-01"), ("f", "1980-01-01"))  # and in the next
    assert load_feed(warehouse_url, feed) == LoadCounts(3, 1, 2, 0)
    write(landing / "shop3.csv", ("f", "2026-04-01"))
    assert load_feed(warehouse_url, feed) == LoadCounts(1, 0, 1, 0)
    assert query("select occurred_at::date::text from raw.web_events where event_id = 'e'") == [
        (again[0][1],)
    ]
    assert query("select count(*), count(distinct event_id) from raw.web_events") == [(11, 11)]


def test_the_keys_of_a_partition_are_unique(
    feed: Feed, landing: Path, warehouse_url: str, query: Query
) -> None:
    write(landing / "shop.csv", *[(f"{n}", "2026-04-10") for n in range(3)])
    load_feed(warehouse_url, feed)
    with warehouse.connect(warehouse_url) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("insert into raw.web_events select * from raw.web_events")


def test_months_can_be_dropped(feed: Feed, landing: Path, warehouse_url: str, query: Query) -> None:
    months = [(f"{month}{n}", f"2026-0{month}-28") for month in (3, 4, 5) for n in range(3)]
    write(landing / "shop.csv", *months, ("x", "1980-01-01"), ("y", "2026-04-30"), ("z", "2026-06-01"))
    load_feed(warehouse_url, feed)
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        dropped = event_months.drop_months(connection, before=date(2026, 5, 31))
    assert [(partition.table, partition.month) for partition in dropped] == [
        ("web_events_2026_03", date(2026, 3, 1)),
        ("web_events_2026_04", date(2026, 4, 1)),
    ]
    assert all(partition.size > 0 for partition in dropped)
    assert query(PARTITIONS) == [("raw.web_events_2026_05", 3), ("raw.web_events_other", 1)]


def test_statistics_follow_a_load_where_it_wrote(
    feed: Feed, landing: Path, warehouse_url: str, query: Query
) -> None:
    write(landing / "shop1.csv", *[(f"{n}", "2026-04-10") for n in range(1000)])
    load_feed(warehouse_url, feed)
    sizes = """
        select relname, reltuples from pg_class
        where relname in ('web_events', 'web_events_2026_04', 'web_events_2026_05') order by 1
    """
    assert query(sizes) == [("web_events", 1000.0), ("web_events_2026_04", 1000.0)]
    write(landing / "shop2.csv", *[(f"m{n}", "2026-05-10") for n in range(50)])  # a twentieth, in a new month
    load_feed(warehouse_url, feed)
    assert query(sizes) == [
        ("web_events", 1000.0),
        ("web_events_2026_04", 1000.0),
        ("web_events_2026_05", 50.0),
    ]
