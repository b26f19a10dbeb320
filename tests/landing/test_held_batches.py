"""A batch with too many rejected rows, or of an unusual size, is held: nothing of it is in raw."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rapport import warehouse
from rapport.landing import cursors, guards, held
from rapport.landing.load import FilesRefused, LoadCounts, load_feed
from rapport.landing.transaction import load_delivery
from rapport.sources.chunk import Chunk
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]
HEADER = "order,at,quantity,price,product\n"
COLUMNS = {"order_id": "order", "quantity": "quantity", "unit_price": "price", "product_id": "product"}
MENDED = {**COLUMNS, "ordered_at": {"column": "at", "null_values": ["?"], "format": "%d.%m.%Y"}}


def rows(count: int, *, first: int = 0, broken: int = 0) -> str:
    """A file of so many order lines, the first of which have no quantity that is a number."""
    return HEADER + "".join(
        f"{n},2026-01-01,{'x' if n - first < broken else 1},1,a\n" for n in range(first, first + count)
    )


def load_sizes(url: str, feed: Feed, landing: Path, sizes: list[int]) -> None:
    for number, size in enumerate(sizes):
        (landing / f"shop{number:02}.csv").write_text(rows(size, first=number * 10_000))
    assert load_feed(url, feed).rows_loaded == sum(sizes)


def held_reason(url: str, feed: Feed) -> str:
    with pytest.raises(FilesRefused) as refused:
        load_feed(url, feed)
    assert refused.value.counts == LoadCounts()
    return str(refused.value)


def test_past_the_limit_nothing_of_a_batch_is_loaded(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(rows(200, broken=11))
    reason = held_reason(warehouse_url, make_feed())
    assert "shop.csv: 11 of 200 rows would be rejected (5.5%, and the limit is 5.0%)" in reason
    assert "no other sign between digits (11 rows, line 2 first). Mend the mapping" in reason
    assert "`rapport held accept shop`" in reason
    assert query("select count(*) from raw.order_lines") == [(0,)]
    assert query("select count(*) from ops.rejected_records") == [(0,)]
    assert query("select state, rows_held, rows_read, rows_loaded, rows_rejected from ops.load_batches") == [
        ("held", 200, 0, 0, 0)
    ]


@pytest.mark.parametrize(("count", "broken"), [(200, 10), (10, 10), (400, 20)])
def test_up_to_the_limit_and_up_to_ten_rows_a_batch_is_loaded(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, count: int, broken: int
) -> None:
    (landing / "shop.csv").write_text(rows(count, broken=broken))
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(count, count - broken, 0, broken)


def test_a_held_batch_is_named_by_each_run_and_read_by_none(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(rows(200, broken=50))
    (landing / "shop2.csv").write_text(rows(3, first=500))
    with pytest.raises(FilesRefused) as first:
        load_feed(warehouse_url, make_feed())
    assert first.value.counts == LoadCounts(3, 3, 0, 0), "the feed's other files are loaded"
    assert held_reason(warehouse_url, make_feed()) == str(first.value)
    (landing / "shop.csv").unlink()
    assert held_reason(warehouse_url, make_feed()) == str(first.value), "what is held is not forgotten"
    assert query("select count(*) from ops.load_batches") == [(2,)]


def test_an_accepted_batch_is_loaded_as_it_is(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(rows(200, broken=50))
    held_reason(warehouse_url, make_feed())
    with warehouse.connect(warehouse_url) as connection:
        assert held.accept(connection, "other") == []
        assert [batch.rows_held for batch in held.accept(connection, "shop")] == [200]
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(200, 150, 0, 50)
    assert load_feed(warehouse_url, make_feed()) == LoadCounts()
    assert query(
        "select state, superseded_at is null, rows_read from ops.load_batches order by batch_id"
    ) == [("held", False, 0), ("loaded", True, 200)]
    (landing / "shop2.csv").write_text(rows(200, first=500, broken=50))
    assert "shop2.csv" in held_reason(warehouse_url, make_feed()), "one file was accepted, not the next"


def test_a_dropped_batch_stays_out_and_holds_nothing(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(rows(200, broken=50))
    held_reason(warehouse_url, make_feed())
    with warehouse.connect(warehouse_url) as connection:
        held.drop(connection, "shop")
    assert load_feed(warehouse_url, make_feed()) == LoadCounts()
    assert query("select state from ops.load_batches") == [("dropped",)]


def test_mending_the_mapping_the_file_or_the_limit_takes_a_held_batch(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    for number, name in enumerate(("mapping", "file", "limit")):
        (landing / f"{name}.csv").write_text(rows(200, first=number * 1000, broken=50))
        held_reason(warehouse_url, make_feed(name=name))
    quantity = {"column": "quantity", "map": {"x": "1"}}
    mended = make_feed(name="mapping", columns={**COLUMNS, "ordered_at": "at", "quantity": quantity})
    assert load_feed(warehouse_url, mended) == LoadCounts(200, 200, 0, 0)
    (landing / "file.csv").write_text(rows(200, first=1000))
    assert load_feed(warehouse_url, make_feed(name="file")) == LoadCounts(200, 200, 0, 0)
    raised = make_feed(name="limit", limits={"rejected": "25%"})
    assert load_feed(warehouse_url, raised) == LoadCounts(200, 150, 0, 50)
    assert query("select count(*) from ops.load_batches where state = 'held' and superseded_at is null") == [
        (0,)
    ]


@pytest.mark.parametrize(("size", "than"), [(0, "fewer than 0.1"), (99, "fewer"), (10_001, "more than 10")])
def test_an_unusual_size_is_held(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query, size: int, than: str
) -> None:
    feed = make_feed()
    load_sizes(warehouse_url, feed, landing, [1000, 900, 1000, 1100, 1000])
    (landing / "shop9.csv").write_text(rows(size, first=90_000))
    reason = held_reason(warehouse_url, feed)
    assert f"shop9.csv: it has {size:,} rows, {than}" in reason
    assert "the 1,000 that shop usually brings" in reason
    assert query("select count(*) from raw.order_lines") == [(5000,)]


@pytest.mark.parametrize(
    ("sizes", "limits", "next_size"),
    [
        ([1000, 900, 1000, 1100], None, 1),
        ([1000, 900, 1000, 1100, 1000], None, 100),
        ([1000, 900, 1000, 1100, 1000], None, 10_000),
        ([50, 60, 50, 60, 50], None, 1),
        ([1000, 900, 1000, 1100, 1000], {"rows": "off"}, 1),
        ([100] * 3 + [1000] * 11, None, 150),
    ],
)
def test_a_size_within_the_band_or_without_a_usual_one_is_loaded(
    make_feed: MakeFeed,
    landing: Path,
    warehouse_url: str,
    sizes: list[int],
    limits: dict[str, Any] | None,
    next_size: int,
) -> None:
    feed = make_feed(**({"limits": limits} if limits else {}))
    load_sizes(warehouse_url, feed, landing, sizes)
    (landing / "shop99.csv").write_text(rows(next_size, first=990_000))
    assert load_feed(warehouse_url, feed) == LoadCounts(next_size, next_size, 0, 0)


def test_the_usual_size_is_the_median_of_the_last_loaded_batches(
    make_feed: MakeFeed, landing: Path, warehouse_url: str
) -> None:
    feed = make_feed(limits={"rows": "off"})
    load_sizes(warehouse_url, feed, landing, [900] * 4 + [200] * 5 + [300] * 6)
    with warehouse.connect(warehouse_url) as connection:
        assert guards.usual_size(connection, feed) == 300


def test_where_the_newest_delivery_wins_later_files_wait_for_a_held_one(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    feed = make_feed(mode="replace_order")
    (landing / "shop1.csv").write_text(rows(200, broken=50))
    (landing / "shop2.csv").write_text(HEADER + "60,2026-01-01,2,1,a\n")
    held_reason(warehouse_url, feed)
    with warehouse.connect(warehouse_url) as connection:
        held.accept(connection, "shop")
    assert load_feed(warehouse_url, feed) == LoadCounts(201, 151, 0, 50)
    assert query("select quantity::int from raw.order_lines where order_id = '60' order by batch_id") == [
        (1,),
        (2,),
    ]


class Reading:
    """What a table has since a cursor: so many rows of which so many are broken."""

    label = "shop_db: orders"

    def __init__(self, count: int, broken: int, cursor: Any) -> None:
        self._count, self._broken, self._cursor = count, broken, cursor

    page_starts = None

    def chunks(self) -> Iterator[Chunk]:
        quantities = ["x"] * self._broken + ["1"] * (self._count - self._broken)
        same = {"at": "2026-01-01", "price": "1", "product": "a"}
        columns = {name: [value] * self._count for name, value in same.items()}
        numbers = [str(number) for number in range(self._count)]
        rows = pa.RecordBatch.from_pydict({**columns, "order": numbers, "quantity": quantities})
        yield Chunk(rows, pa.array(range(self._count), pa.int64()))

    def content_hash(self) -> str:
        return f"{self._count} {self._broken}"

    def cursor(self) -> Any:
        return self._cursor


def test_a_cursor_does_not_move_past_what_is_held(
    make_feed: MakeFeed, warehouse_url: str, query: Query
) -> None:
    feed = make_feed()
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        for _ in range(2):
            assert load_delivery(connection, feed, Reading(40, 30, {"since": 1})) == LoadCounts()
            assert cursors.read_cursor(connection, feed) is None
        assert load_delivery(connection, feed, Reading(50, 30, {"since": 2})) == LoadCounts()
        [waiting] = held.held_batches(connection, feed)
        assert waiting.rows_held == 50, "the later reading has all that the earlier one had"
        held.accept(connection, "shop")
        assert load_delivery(connection, feed, Reading(60, 31, {"since": 3})) == LoadCounts(60, 29, 0, 31)
        assert cursors.read_cursor(connection, feed) == {"since": 3}
        assert held.held_batches(connection, feed) == []
