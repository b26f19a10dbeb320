import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rapport.landing.load import load_feed, reload
from rapport.landing.transaction import LoadCounts
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]

NOW = """
    select contact_id, first_name, is_deleted from (
        select distinct on (contact_id) * from raw.contacts
        order by contact_id, batch_id desc, line_number desc
    ) as newest order by contact_id
"""
ORDERS_NOW = """
    select order_id, product_id, quantity::int from raw.order_lines as stored
    where batch_id = (select max(batch_id) from raw.order_lines where order_id = stored.order_id)
    order by 1, 2, 3
"""


def contacts(path: Path, *people: tuple[int, str]) -> None:
    rows = [json.dumps({"id": key, "at": "2026-01-01", "name": name}) + "\n" for key, name in people]
    path.write_text("".join(rows))


def lines(path: Path, *rows: tuple[int, str, int]) -> None:
    path.write_text(
        "order,product,quantity,at,price\n" + "".join(f"{o},{p},{q},2026-01-01,1\n" for o, p, q in rows)
    )


def test_versions_keep_each_version_once(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    contacts(landing / "shop1.jsonl", (1, "Ann"), (2, "Bob"), (2, "Bob"), (2, "Rob"))
    contacts(landing / "shop2.jsonl", (1, "Anne"), (2, "Bob"), (1, "Ann"))
    assert load_feed(warehouse_url, make_feed("contacts")) == LoadCounts(7, 4, 3, 0)
    assert query("select contact_id, first_name from raw.contacts order by 1, 2") == [
        ("1", "Ann"),
        ("1", "Anne"),
        ("2", "Bob"),
        ("2", "Rob"),
    ]


def test_append_keeps_the_first_row_of_an_id(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    contacts(landing / "shop.jsonl", *[(n % 10, f"{n}") for n in range(200)])
    columns = {"event_id": "id", "event_name": "name", "occurred_at": "at"}
    assert load_feed(warehouse_url, make_feed("web_events", columns=columns)) == LoadCounts(200, 10, 190, 0)
    assert query("select event_id, event_name from raw.web_events where event_id <> event_name") == []


def test_an_order_delivered_again_replaces_it_whole_unless_it_is_the_same(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    feed = make_feed(mode="replace_order")
    lines(landing / "shop1.csv", (1, "a", 1), (1, "a", 1), (1, "b", 2), (2, "a", 1))
    assert load_feed(warehouse_url, feed) == LoadCounts(4, 4, 0, 0)
    lines(landing / "shop2.csv", (2, "a", 1), (1, "b", 2), (1, "a", 1))  # order 1 has lost a line
    assert load_feed(warehouse_url, feed) == LoadCounts(3, 2, 1, 0)
    assert query(ORDERS_NOW) == [("1", "a", 1), ("1", "b", 2), ("2", "a", 1)]
    lines(landing / "shop3.csv", (1, "a", 1), (1, "b", 2))  # the same, in another order
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 0, 2, 0)


def test_what_a_snapshot_lacks_is_deleted_and_may_come_back(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    feed = make_feed("contacts", mode="snapshot")
    contacts(landing / "shop1.jsonl", (1, "Ann"), (2, "Bob"), (2, "Bob twice"))
    assert load_feed(warehouse_url, feed) == LoadCounts(3, 2, 1, 0)
    contacts(landing / "shop2.jsonl", (1, "Anne"), (3, "Cid"))
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 2, 0, 0)
    assert query(NOW) == [("1", "Anne", False), ("2", "Bob", True), ("3", "Cid", False)]
    contacts(landing / "shop3.jsonl", (1, "Anne"), (2, "Bob"))
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 1, 1, 0)
    assert query(NOW) == [("1", "Anne", False), ("2", "Bob", False), ("3", "Cid", True)]


def test_a_record_stays_deleted_without_another_tombstone(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    feed = make_feed("contacts", mode="snapshot")
    for number, people in enumerate([[(1, "A"), (2, "B")], [(1, "A")], [(1, "A2")], [(1, "A3")]]):
        contacts(landing / f"shop{number}.jsonl", *people)
    load_feed(warehouse_url, feed)
    assert query("select count(*) from raw.contacts where is_deleted") == [(1,)]


def test_a_snapshot_with_a_bad_row_deletes_nothing(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    feed = make_feed("contacts", mode="snapshot")
    contacts(landing / "shop1.jsonl", (1, "A"), (2, "B"))
    load_feed(warehouse_url, feed)
    (landing / "shop2.jsonl").write_text(
        '{"id": 1, "at": "2026-01-01", "name": "A"}\n{"id": 2, "at": "2026-0'
    )
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 0, 1, 1)
    assert query("select count(*) from raw.contacts where is_deleted") == [(0,)]


def test_two_snapshots_of_one_source_do_not_delete_each_others_records(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    contacts(landing / "north.jsonl", (1, "A"))
    contacts(landing / "south.jsonl", (2, "B"))
    for name in ("north", "south"):
        load_feed(warehouse_url, make_feed("contacts", name=name, source="crm", mode="snapshot"))
    assert query("select count(*) from raw.contacts where is_deleted") == [(0,)]


@pytest.mark.parametrize("overwritten", [True, False])
def test_a_snapshot_that_returns_to_an_earlier_state_is_a_delivery(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query, overwritten: bool
) -> None:
    feed = make_feed("contacts", mode="snapshot")
    for number, name in enumerate(["Ann", "Anne", "Ann"]):
        contacts(landing / ("shop.jsonl" if overwritten else f"shop{number}.jsonl"), (1, name))
        assert load_feed(warehouse_url, feed) == LoadCounts(1, 1, 0, 0)
        assert load_feed(warehouse_url, feed) == LoadCounts(0, 0, 0, 0)
    assert query(NOW) == [("1", "Ann", False)]


def test_reloaded_snapshots_end_in_the_same_state(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    feed = make_feed("contacts", mode="snapshot")
    contacts(landing / "shop1.jsonl", (1, "A"), (2, "B"))
    contacts(landing / "shop2.jsonl", (1, "A2"))
    load_feed(warehouse_url, feed)
    before = query(NOW)
    reload(warehouse_url, feed)
    assert load_feed(warehouse_url, feed).rows_read == 3
    assert query(NOW) == before


def test_records_that_say_they_are_deleted_are_loaded_as_such(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text("id,at,gone\n1,2026-01-01,yes\n2,2026-01-01,\n")
    feed = make_feed("contacts", columns={"contact_id": "id", "updated_at": "at", "is_deleted": "gone"})
    load_feed(warehouse_url, feed)
    assert query("select contact_id, is_deleted from raw.contacts order by 1") == [("1", True), ("2", False)]


def test_a_batch_knows_after_which_time_all_of_it_is_seen(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    columns = {"ticket_id": "id", "opened_at": "at", "updated_at": "at", "solved_at": "to", "status": "state"}
    feed = make_feed("ticket_versions", mode="snapshot", columns=columns)
    header = "id,at,to,state\n"
    (landing / "shop1.csv").write_text(
        header + "1,2026-01-01,2026-03-01,open\n2,2026-01-02,2026-05-01,open\n"
    )
    (landing / "shop2.csv").write_text(header + "1,2026-01-04,,open\n")  # and a tombstone with its times
    (landing / "shop3.csv").write_text(header + "x,,,\n")
    load_feed(warehouse_url, feed)
    assert query("select latest_time::date::text from ops.load_batches order by batch_id") == [
        ("2026-05-01",),
        ("2026-05-01",),
        (None,),
    ]
    columns = {"consent_id": "id", "decided_at": "at", "expires_at": "to"}
    columns |= {name: {"value": "granted"} for name in ("channel", "topic", "decision")}
    (landing / "given.csv").write_text(header + "1,2026-01-01,2030-01-01,x\n")
    load_feed(warehouse_url, make_feed("consents", name="given", columns=columns))
    assert query("select latest_time::date::text from ops.load_batches where feed = 'given'") == [
        ("2026-01-01",)
    ]
