"""Rows in quarantine: what is told of them, and how they are loaded after all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rapport import warehouse
from rapport.errors import InputError
from rapport.landing import batches, inserts
from rapport.landing.load import LoadCounts, load_feed
from rapport.landing.quarantine import RejectedReason, rejected_reasons
from rapport.landing.retry import retry_rejected
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]
HEADER = "order,at,quantity,price,product\n"
COLUMNS = {
    "order_id": "order",
    "ordered_at": "at",
    "quantity": "quantity",
    "unit_price": "price",
    "product_id": "product",
}
ONE_IS_X = {**COLUMNS, "quantity": {"column": "quantity", "map": {"x": "1"}}}
KEYED = {**COLUMNS, "line_id": "product"}
RAW = "select order_id, quantity::int, row_key from raw.order_lines order by 1, 3"


def test_reasons_are_counted_with_a_sample(make_feed: MakeFeed, landing: Path, warehouse_url: str) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,x,1,a\n2,2026-01-01,y,1,a\n3,soon,1,1,a\n4\n")
    (landing / "other.csv").write_text(HEADER + ",2026-01-01,1,1,a\n")
    for name in ("shop", "other"):
        load_feed(warehouse_url, make_feed(name=name))
    with warehouse.connect(warehouse_url) as connection:
        everywhere = rejected_reasons(connection)
        shop = rejected_reasons(connection, "shop")
    assert [(found.feed, found.rows, found.column) for found in everywhere] == [
        ("other", 1, "order_id"),
        ("shop", 2, "quantity"),
        ("shop", 1, None),
        ("shop", 1, "ordered_at"),
    ]
    assert shop == everywhere[1:]
    assert shop[0] == RejectedReason(
        "shop",
        "shop",
        "order_lines",
        "quantity is no number; one looks like 1234.50, with a point and no other sign between digits",
        "quantity",
        2,
        str(landing / "shop.csv"),
        None,
        3,
        "y",
    )


def test_rows_that_pass_after_a_mapping_is_mended_are_loaded_without_their_file(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    file = landing / "shop.csv"
    file.write_text(HEADER + "1,2026-01-01,1,1,a\n2,2026-01-02,x,1,b\n3,2026-01-03,y,1,c\n4\n")
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(4, 1, 0, 3)
    file.unlink()
    assert retry_rejected(warehouse_url, make_feed()) == LoadCounts(2, 0, 0, 2), "nothing was mended"
    assert query("select count(*) from ops.load_batches") == [(1,)]

    mended = make_feed(columns=ONE_IS_X)
    assert retry_rejected(warehouse_url, mended) == LoadCounts(2, 1, 0, 1)
    assert query(
        "select order_id, quantity::int, product_id, batch_id, line_number from raw.order_lines"
        " where batch_id = 2"
    ) == [("2", 1, "b", 2, 3)]
    assert query(
        "select file, rows_read, rows_loaded, rows_duplicate, rows_rejected, retry_of, newest_record_at::date"
        "::text, latest_time::date::text from ops.load_batches where batch_id = 2"
    ) == [(f"{file} (rejected rows of batch 1)", 1, 1, 0, 0, 1, "2026-01-02", "2026-01-02")]
    assert query(
        "select batch_id, line_number, settled_by, settled_at is null from ops.rejected_records order by 2"
    ) == [(1, 3, 2, False), (1, 4, None, True), (1, 5, None, True)]
    assert retry_rejected(warehouse_url, mended) == LoadCounts(1, 0, 0, 1), "never twice"
    assert query("select count(*) from raw.order_lines") == [(2,)]


def test_a_row_that_fails_again_shows_why_it_fails_now(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,soon,x,1,a\n")
    load_feed(warehouse_url, make_feed())
    dated = {
        **ONE_IS_X,
        "unit_price": "product",
        "ordered_at": {"column": "at", "map": {"soon": "2026-01-01"}},
    }
    assert retry_rejected(warehouse_url, make_feed(columns=dated)) == LoadCounts(1, 0, 0, 1)
    assert query("select column_name, value, left(reason, 23) from ops.rejected_records") == [
        ("unit_price", "a", "unit_price is no number")
    ]


@pytest.mark.parametrize("columns", [COLUMNS, KEYED])
def test_a_file_that_is_read_again_takes_its_rejected_rows_with_it(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query, columns: dict[str, Any]
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n1,2026-01-01,x,1,b\n1,2026-01-01,y,1,c\n")
    load_feed(warehouse_url, make_feed(columns=columns))
    mended = make_feed(columns={**columns, "quantity": ONE_IS_X["quantity"]})
    assert load_feed(warehouse_url, mended) == LoadCounts(3, 1, 1, 1)
    assert query("select batch_id, settled_by from ops.rejected_records order by rejected_id") == [
        (1, 2),
        (1, 2),
        (2, None),
    ]
    assert retry_rejected(warehouse_url, mended) == LoadCounts(1, 0, 0, 1)
    assert query("select count(*) from raw.order_lines") == [(2,)]


# Equal lines of one order: in the file itself, in a file before, in a file after.
BEFORE = HEADER + "1,2026-01-01,1,1,a\n" * 2
FILE = HEADER + "1,2026-01-01,1,1,a\n" * 3 + "1,2026-01-01,x,1,a\n" * 2 + "1,2026-01-01,y,1,a\n"
AFTER = HEADER + "1,2026-01-01,1,1,a\n" * 4


@pytest.mark.parametrize(
    "files", [[FILE], [BEFORE, FILE], [FILE, AFTER], [BEFORE, FILE, AFTER], [AFTER, FILE]]
)
def test_equal_rows_are_numbered_as_if_the_file_were_read_again(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query, files: list[str]
) -> None:
    for number, content in enumerate(files):
        (landing / f"shop{number}.csv").write_text(content)
    load_feed(warehouse_url, make_feed())
    retry_rejected(warehouse_url, make_feed(columns=ONE_IS_X))
    two = {**ONE_IS_X, "quantity": {"column": "quantity", "map": {"x": "1", "y": "1"}}}
    retry_rejected(warehouse_url, make_feed(columns=two))
    assert query("select count(*) from raw.order_lines") == [(6,)], "as many as the fullest file has"
    retried = query(RAW)
    assert load_feed(warehouse_url, make_feed(columns=two)).rows_loaded == 0
    assert query(RAW) == retried
    assert query("select count(*) from ops.rejected_records where settled_at is null") == [(0,)]
    assert query(
        "select count(*) from ops.load_batches "
        "where rows_read <> rows_loaded + rows_duplicate + rows_rejected"
    ) == [(0,)]


def test_versions_and_nested_values_are_retried(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "people.jsonl").write_text(
        '{"id": 1, "seen": {"at": "soon"}, "name": "Ann", "tags": ["a", {"b": null}]}\n'
    )
    columns = {"contact_id": "id", "first_name": "name", "updated_at": "seen.at"}
    assert load_feed(warehouse_url, make_feed("contacts", "people", columns=columns)).rows_rejected == 1
    soon = {"column": "seen.at", "map": {"soon": "2026-01-01"}}
    mended = make_feed("contacts", "people", columns={**columns, "updated_at": soon})
    assert retry_rejected(warehouse_url, mended) == LoadCounts(1, 1, 0, 0)
    [before] = query("select contact_id, first_name, updated_at, payload, row_key from raw.contacts")
    assert load_feed(warehouse_url, mended) == LoadCounts(1, 0, 1, 0), "as if the file were read again"
    assert before[:2] == ("1", "Ann")


def test_whole_orders_and_snapshots_are_read_again_instead(
    make_feed: MakeFeed, landing: Path, warehouse_url: str
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,x,1,a\n")
    feed = make_feed(mode="replace_order")
    load_feed(warehouse_url, feed)
    with pytest.raises(InputError, match=r"it delivers as replace_order, .*`rapport reload shop`"):
        retry_rejected(warehouse_url, feed)


def test_the_value_is_masked_and_the_record_is_whole(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,ann.lee@example.com,1,a\n")
    load_feed(warehouse_url, make_feed())
    assert query(
        "select value, record ->> 'quantity', reason not like '%ann%' from ops.rejected_records"
    ) == [("a***@e***.com", "ann.lee@example.com", True)]


@pytest.mark.parametrize(
    ("module", "name"), [(inserts, "insert_rows"), (batches, "close_batch"), (inserts, "analyze")]
)
def test_a_retry_that_is_cut_off_is_as_if_it_had_not_begun_or_had_ended(
    make_feed: MakeFeed,
    landing: Path,
    warehouse_url: str,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n1,2026-01-01,x,1,a\n")
    load_feed(warehouse_url, make_feed())
    mended = make_feed(columns=ONE_IS_X)
    whole = getattr(module, name)

    def cut_off(*arguments: Any, **options: Any) -> None:
        whole(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, name, cut_off)
        with pytest.raises(KeyboardInterrupt):
            retry_rejected(warehouse_url, mended)
    rows = query("select count(*) from raw.order_lines")
    assert rows == query("select 1 + count(settled_by) from ops.rejected_records")
    retry_rejected(warehouse_url, mended)
    assert query("select count(*) from raw.order_lines") == [(2,)]
    assert query("select sum(rows_loaded)::int from ops.load_batches") == [(2,)]
