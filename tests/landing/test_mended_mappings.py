import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rapport.errors import InputError
from rapport.landing.load import load_feed, reload
from rapport.landing.transaction import LoadCounts
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]

HEADER = "order,at,quantity,price,product\n"
LINES = {"order_id": "order", "ordered_at": "at", "quantity": "quantity", "unit_price": "price"}
EUROS = {**LINES, "currency": {"value": "EUR"}}
POUNDS = {**LINES, "currency": {"value": "GBP"}}


def counting(columns: str, stream: str = "order_lines", batch: int = 1_000_000) -> str:
    """The rows that count for a run that sees loads up to `batch`, as staging chooses them."""
    return f"""
        select {columns} from raw.{stream}
        where batch_id <= {batch}
            and batch_id not in (select batch_id from ops.load_batches where replaced_by <= {batch})
        order by {columns}
    """


def test_lines_without_an_id_are_read_again_and_count_once(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n1,2026-01-01,1,1,a\n2,2026-01-01,1,1,a\n")
    load_feed(warehouse_url, make_feed(columns=EUROS))
    assert load_feed(warehouse_url, make_feed(columns=POUNDS)) == LoadCounts(3, 3, 0, 0)
    assert query(counting("order_id, currency")) == [("1", "GBP"), ("1", "GBP"), ("2", "GBP")]
    assert query("select count(*) from raw.order_lines") == [(6,)]
    # A recorded run that saw the first load only sees it still.
    assert query(counting("order_id, currency", batch=1)) == [("1", "EUR"), ("1", "EUR"), ("2", "EUR")]
    assert query("select batch_id, replaced_by, delivery from ops.load_batches order by 1") == [
        (1, 2, 1),
        (2, None, 1),
    ]
    assert load_feed(warehouse_url, make_feed(columns=POUNDS)) == LoadCounts()


def test_a_mapping_may_be_mended_to_and_fro(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n2,2026-01-01,1,1,a\n")
    for columns in (EUROS, POUNDS, EUROS, POUNDS):
        assert load_feed(warehouse_url, make_feed(columns=columns)) == LoadCounts(2, 2, 0, 0)
    for batch, currency in enumerate(["EUR", "GBP", "EUR", "GBP"], 1):
        assert query(counting("order_id, currency", batch=batch)) == [("1", currency), ("2", currency)]


def test_a_row_that_stays_the_same_counts_once_when_others_change(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n2,2026-01-01,1,1,b\n")
    load_feed(warehouse_url, make_feed(columns={**LINES, "product_id": "product"}))
    renamed = {"column": "product", "map": {"b": "c"}}
    assert load_feed(warehouse_url, make_feed(columns={**LINES, "product_id": renamed})).rows_loaded == 2
    assert query(counting("order_id, product_id")) == [("1", "a"), ("2", "c")]
    # A later export overlaps, with the row that stayed and with the row that changed.
    (landing / "shop2.csv").write_text(
        HEADER + "1,2026-01-01,1,1,a\n2,2026-01-01,1,1,b\n3,2026-01-01,1,1,d\n"
    )
    assert load_feed(warehouse_url, make_feed(columns={**LINES, "product_id": renamed})) == LoadCounts(
        3, 1, 2, 0
    )
    assert query(counting("order_id, product_id")) == [("1", "a"), ("2", "c"), ("3", "d")]


def test_overlapping_exports_are_read_again_and_count_once(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    rows = [f"{n},2026-01-01,1,1,a\n" for n in range(6)]
    (landing / "shop2.csv").write_text(HEADER + "".join(rows[:4]))
    load_feed(warehouse_url, make_feed(columns=EUROS))
    (landing / "shop1.csv").write_text(HEADER + "".join(rows[2:]))
    assert load_feed(warehouse_url, make_feed(columns=EUROS)) == LoadCounts(4, 2, 2, 0)
    assert load_feed(warehouse_url, make_feed(columns=POUNDS)) == LoadCounts(8, 6, 2, 0)
    assert query(counting("order_id, currency")) == [(str(n), "GBP") for n in range(6)]


def test_rows_that_a_file_no_longer_here_had_brought_are_not_counted_twice(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    rows = [f"{n},2026-01-01,1,1,a\n" for n in range(3)]
    (landing / "shop1.csv").write_text(HEADER + "".join(rows[:2]))
    (landing / "shop2.csv").write_text(HEADER + "".join(rows[1:]))
    load_feed(warehouse_url, make_feed(columns=EUROS))
    (landing / "shop1.csv").rename(landing / "kept")
    with pytest.raises(
        InputError, match=r"shop2.csv: .* 1 of its rows would count twice: .* Put those files back"
    ):
        load_feed(warehouse_url, make_feed(columns=POUNDS))
    assert query(counting("order_id, currency")) == [(str(n), "EUR") for n in range(3)]
    (landing / "kept").rename(landing / "shop1.csv")
    load_feed(warehouse_url, make_feed(columns=POUNDS))
    assert query(counting("order_id, currency")) == [(str(n), "GBP") for n in range(3)]


def test_events_are_read_again_with_their_ids(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    columns = {"event_id": "id", "event_name": "name", "occurred_at": "at"}
    (landing / "shop1.csv").write_text("id,name,at,page\n1,view,2026-01-01,/a\n2,view,2026-01-01,/b\n")
    (landing / "shop2.csv").write_text("id,name,at,page\n2,view,2026-01-01,/b\n3,view,2026-01-01,/c\n")
    load_feed(warehouse_url, make_feed("web_events", columns=columns))
    mended = make_feed("web_events", columns={**columns, "page_url": "page"})
    assert load_feed(warehouse_url, mended) == LoadCounts(4, 3, 1, 0)
    assert query(counting("event_id, page_url", "web_events")) == [("1", "/a"), ("2", "/b"), ("3", "/c")]
    # Only what the first file brings is another now; what the second has brought may stay.
    partly = {**columns, "page_url": "page", "event_id": {"column": "id", "map": {"1": "x"}}}
    assert load_feed(warehouse_url, make_feed("web_events", columns=partly)) == LoadCounts(4, 2, 2, 0)
    assert query(counting("event_id, page_url", "web_events")) == [("2", "/b"), ("3", "/c"), ("x", "/a")]


def test_a_row_of_a_replaced_batch_does_not_keep_a_later_file_from_bringing_it(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    columns = {"event_id": "id", "event_name": "name", "occurred_at": "at"}
    (landing / "shop1.csv").write_text("id,name,at\n1,view,2026-01-01\n")
    load_feed(warehouse_url, make_feed("web_events", columns=columns))
    prefixed = {**columns, "event_id": {"column": "id", "map": {"1": "web-1"}}}
    load_feed(warehouse_url, make_feed("web_events", columns=prefixed))
    assert query(counting("event_id", "web_events")) == [("web-1",)]
    (landing / "other.csv").write_text("id,name,at\n1,view,2026-01-01\n")
    other = make_feed("web_events", name="other", source="shop", columns=columns)
    assert load_feed(warehouse_url, other) == LoadCounts(1, 1, 0, 0)
    assert query(counting("event_id", "web_events")) == [("1",), ("web-1",)]


def test_versions_with_a_mended_time_replace_the_wrong_ones(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    people = [
        {"id": 1, "at": "2026-01-01 12:00", "name": "Ann"},
        {"id": 1, "at": "2026-01-02", "name": "Anne"},
    ]
    (landing / "shop.jsonl").write_text("".join(json.dumps(person) + "\n" for person in people))
    contacts = {"contact_id": "id", "first_name": "name"}
    load_feed(warehouse_url, make_feed("contacts", columns={**contacts, "updated_at": "at"}))
    zone = {"column": "at", "time_zone": "America/New_York"}
    assert (
        load_feed(warehouse_url, make_feed("contacts", columns={**contacts, "updated_at": zone})).rows_loaded
        == 2
    )
    assert query(counting("updated_at::text, first_name", "contacts")) == [
        ("2026-01-01 17:00:00+00", "Ann"),
        ("2026-01-02 05:00:00+00", "Anne"),
    ]


def test_an_older_delivery_read_again_does_not_hide_a_newer_one(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop1.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n2,2026-01-01,1,1,a\n")
    (landing / "shop2.csv").write_text(HEADER + "1,2026-01-01,5,1,a\n")
    load_feed(warehouse_url, make_feed(mode="replace_order", columns=EUROS))
    (landing / "shop2.csv").unlink()
    load_feed(warehouse_url, make_feed(mode="replace_order", columns=POUNDS))
    newest = counting("order_id, coalesce(delivered_as, batch_id), quantity::int, currency")
    assert query(newest) == [("1", 1, 1, "GBP"), ("1", 2, 5, "EUR"), ("2", 1, 1, "GBP")]


def test_a_snapshot_read_again_keeps_its_place(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    contacts = {"contact_id": "id", "updated_at": "at", "first_name": "name"}
    (landing / "shop1.csv").write_text(
        "id,at,name,job\n1,2026-01-01,Ann,x\n2,2026-01-01,Bob,y\n3,2026-01-01,Cid,z\n"
    )
    (landing / "shop2.csv").write_text("id,at,name,job\n1,2026-01-01,Anne,x\n3,2026-01-01,Cid,z\n")
    load_feed(warehouse_url, make_feed("contacts", mode="snapshot", columns=contacts))
    mended = make_feed("contacts", mode="snapshot", columns={**contacts, "title": "job"})
    load_feed(warehouse_url, mended)
    state = """
        select contact_id, first_name, title from (
            select distinct on (contact_id) * from raw.contacts
            where batch_id not in (select batch_id from ops.load_batches where replaced_by is not null)
            order by contact_id, coalesce(delivered_as, batch_id) desc
        ) as newest where not is_deleted order by 1
    """
    assert query(state) == [("1", "Anne", "x"), ("3", "Cid", "z")]
    assert query("select count(*) from raw.contacts where is_deleted and delivered_as = 2") == [(1,)]


def test_reloaded_files_that_bring_the_same_leave_everything_as_it_is(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n1,2026-01-01,1,1,a\n")
    feed = make_feed(mode="replace_order")
    load_feed(warehouse_url, feed)
    reload(warehouse_url, feed)
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 0, 2, 0)
    assert query("select count(*) from ops.load_batches where replaced_by is not null") == [(0,)]


def test_rows_taken_in_by_a_retry_are_replaced_with_their_file(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    from rapport.landing.retry import retry_rejected

    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n2,2026-01-01,none,1,a\n")
    load_feed(warehouse_url, make_feed(columns=EUROS))
    mended = {**EUROS, "quantity": {"column": "quantity", "map": {"none": "0"}}}
    assert retry_rejected(warehouse_url, make_feed(columns=mended)).rows_loaded == 1
    assert query(counting("order_id, quantity::int, currency")) == [("1", 1, "EUR"), ("2", 0, "EUR")]
    again = {**mended, "currency": {"value": "GBP"}}
    assert load_feed(warehouse_url, make_feed(columns=again)).rows_loaded == 2
    assert query(counting("order_id, quantity::int, currency")) == [("1", 1, "GBP"), ("2", 0, "GBP")]


def test_a_feed_that_gets_another_source_takes_its_rows_along(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n")
    load_feed(warehouse_url, make_feed(source="wrong"))
    load_feed(warehouse_url, make_feed(source="right"))
    assert query(counting("source, order_id")) == [("right", "1")]
