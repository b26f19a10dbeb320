import gzip
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rapport import warehouse
from rapport.errors import DiskFull, InputError, LoadInProgress, WarehouseUnavailable
from rapport.landing import batches, copying
from rapport.landing.load import FilesRefused, load_feed, reload
from rapport.landing.transaction import LoadCounts
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]

HEADER = "order,at,quantity,price,product\n"
TWO = HEADER + "1,2026-01-01 10:00:00,2,2.50,a\n1,2026-01-01 10:00:00,1,0.10,b\n"


def test_rows_are_typed_and_know_where_they_came_from(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    header = HEADER.replace("product", "product,colour")
    (landing / "shop.csv").write_text(header + '1,2026-01-01 10:00:00,2,2.50,a,"r""d"\n')
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(1, 1, 0, 0)
    [row] = query(
        "select order_id, ordered_at, quantity::text, unit_price::text, product_id, payload, is_deleted,"
        " source, mode, batch_id, line_number from raw.order_lines"
    )
    at = datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert row == ("1", at, "2", "2.50", "a", {"colour": 'r"d'}, False, "shop", "append", 1, 2)
    [batch] = query(
        "select source, stream, mode, feed, file, rows_read, rows_loaded, newest_record_at, superseded_at"
        " from ops.load_batches"
    )
    assert batch == ("shop", "order_lines", "append", "shop", str(landing / "shop.csv"), 1, 1, at, None)


def test_a_file_already_loaded_is_skipped_under_any_name(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(TWO)
    load_feed(warehouse_url, make_feed())
    (landing / "shop.csv").rename(landing / "shop2.csv")
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(0, 0, 0, 0)
    assert query("select count(*) from ops.load_batches") == [(1,)]


@pytest.mark.parametrize("again", [TWO.replace("2.50", "2.5"), HEADER + "".join(TWO.splitlines(True)[:0:-1])])
def test_the_same_rows_in_another_file_are_duplicates(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query, again: str
) -> None:
    (landing / "shop.csv").write_text(TWO)
    load_feed(warehouse_url, make_feed())
    (landing / "shop2.csv.gz").write_bytes(gzip.compress(again.encode()))
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(2, 0, 2, 0)
    assert query("select count(*) from raw.order_lines") == [(2,)]


def test_equal_lines_of_one_order_stay_separate(
    make_feed: MakeFeed, landing: Path, warehouse_url: str
) -> None:
    line = TWO.splitlines(True)[1]
    (landing / "shop1.csv").write_text(HEADER + line * 3)
    (landing / "shop2.csv").write_text(HEADER + line * 5)
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(8, 5, 3, 0)


def test_with_an_id_a_row_is_known_by_it_and_without_one_by_its_content(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    columns = {
        "order_id": "order",
        "line_id": "line",
        "ordered_at": "at",
        "quantity": "quantity",
        "unit_price": "price",
    }
    (landing / "shop.csv").write_text(
        "order,line,at,quantity,price\n"
        "1,1,2026-01-01,1,1\n1,1,2026-01-01,2,1\n1,2,2026-01-01,1,1\n1,,2026-01-01,1,1\n1,,2026-01-01,1,1\n"
    )
    assert load_feed(warehouse_url, make_feed(columns=columns)) == LoadCounts(5, 4, 1, 0)
    assert query("select quantity::int from raw.order_lines where line_id = '1'") == [(1,)]


def test_sources_do_not_share_keys(make_feed: MakeFeed, landing: Path, warehouse_url: str) -> None:
    for name in ("shop", "other"):
        (landing / f"{name}.csv").write_text(TWO)
        assert load_feed(warehouse_url, make_feed(name=name)) == LoadCounts(2, 2, 0, 0)
    (landing / "third.csv").write_text(TWO)
    assert load_feed(warehouse_url, make_feed(name="third", source="shop")) == LoadCounts(2, 0, 2, 0)


def test_every_row_read_is_loaded_duplicate_or_rejected(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(
        HEADER
        + "1,2026-01-01,x,1,a\n"
        + "1,2026-01-01,1,1,a\n"
        + "2,1.1.26,1,1,a\n"
        + "3,2026-01-01\n"
        + ",,,,\n\n"
        ",2026-01-01,1,1,a\n" + "1,2026-01-01,1,1,a,b\n"
    )
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(6, 1, 0, 5)
    assert query(
        "select line_number, column_name, value, split_part(reason, ';', 1), record, source, stream"
        " from ops.rejected_records order by line_number"
    ) == [
        (
            2,
            "quantity",
            "x",
            "quantity is no number",
            {"order": "1", "at": "2026-01-01", "quantity": "x", "price": "1", "product": "a"},
            "shop",
            "order_lines",
        ),
        (
            4,
            "ordered_at",
            "1.1.26",
            "ordered_at is no time in 1900 to 2200",
            {"order": "2", "at": "1.1.26", "quantity": "1", "price": "1", "product": "a"},
            "shop",
            "order_lines",
        ),
        (5, None, None, "2 fields where 5 are expected", {"text": "3,2026-01-01"}, "shop", "order_lines"),
        (
            8,
            "order_id",
            None,
            "order_id is required and missing",
            {"at": "2026-01-01", "quantity": "1", "price": "1", "product": "a"},
            "shop",
            "order_lines",
        ),
        (
            9,
            None,
            None,
            "6 fields where 5 are expected",
            {"text": "1,2026-01-01,1,1,a,b"},
            "shop",
            "order_lines",
        ),
    ]


def test_a_file_of_nothing_but_bad_rows_is_all_quarantine(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.jsonl").write_text(
        '{"order": 1, "at": "x", "quantity": 1, "price": 1, "product": 1}\n{\n'
    )
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(2, 0, 0, 2)
    assert query("select newest_record_at from ops.load_batches") == [(None,)]


def test_a_refused_file_stops_no_other(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop1.csv").write_text("")
    (landing / "shop2.csv").write_text(TWO)
    (landing / "shop3.csv").write_bytes(TWO.encode() + b"9,2026-01-01,1,1,\xff\n")
    with pytest.raises(FilesRefused) as error:
        load_feed(warehouse_url, make_feed())
    assert isinstance(error.value, InputError)
    assert error.value.counts == LoadCounts(2, 2, 0, 0)
    first, second = str(error.value).splitlines()
    assert "shop1.csv is empty" in first
    assert "shop3.csv, line 4" in second
    assert query("select file from ops.load_batches") == [(str(landing / "shop2.csv"),)]
    assert query("select count(*) from raw.order_lines") == [(2,)]


def test_no_files_is_a_sentence(make_feed: MakeFeed, warehouse_url: str) -> None:
    with pytest.raises(
        InputError, match=r"no file matches .*/landing/shop\*; the folder .* exists and it is empty"
    ):
        load_feed(warehouse_url, make_feed())


def test_a_mended_mapping_reads_the_file_again(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n2,?,1,1,a\n")
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(2, 1, 0, 1)
    columns = {"order_id": "order", "quantity": "quantity", "unit_price": "price", "product_id": "product"}
    mended = make_feed(columns={**columns, "ordered_at": {"column": "at", "map": {"?": "2026-01-02"}}})
    assert load_feed(warehouse_url, mended) == LoadCounts(2, 1, 1, 0)
    assert query("select batch_id, replaced_by from ops.load_batches order by 1") == [(1, None), (2, None)]


def test_reload_reads_the_files_again_and_loads_nothing_twice(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(TWO)
    (landing / "other.csv").write_text(TWO)
    feed, other = make_feed(), make_feed(name="other")
    load_feed(warehouse_url, feed)
    load_feed(warehouse_url, other)
    reload(warehouse_url, feed)
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 0, 2, 0)
    assert load_feed(warehouse_url, other) == LoadCounts(0, 0, 0, 0)
    assert query("select feed, superseded_at is null from ops.load_batches order by batch_id") == [
        ("shop", False),
        ("other", True),
        ("shop", True),
    ]


def test_names_and_values_cannot_become_sql(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    evil = """x'; drop table raw.order_lines; --"%s{}"""
    header = f'"{evil.replace(chr(34), chr(34) * 2)}",at,quantity,price,"{{0}}"\n'
    (landing / "shop.csv").write_text(header + '"\');drop schema raw cascade;--\\.\\N",2026-01-01,1,1,\\.\n')
    columns = {"order_id": evil, "ordered_at": "at", "quantity": "quantity", "unit_price": "price"}
    feed = make_feed(columns=columns, source=evil)
    assert load_feed(warehouse_url, feed) == LoadCounts(1, 1, 0, 0)
    assert query("select order_id, source, payload from raw.order_lines") == [
        ("');drop schema raw cascade;--\\.\\N", evil, {"{0}": "\\."})
    ]


def test_progress_hears_of_each_chunk(make_feed: MakeFeed, landing: Path, warehouse_url: str) -> None:
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,1,1,a\n" * 60_000)
    heard: list[tuple[str, int]] = []
    load_feed(warehouse_url, make_feed(), progress=lambda file, rows, _: heard.append((file, rows)))
    assert [rows for _, rows in heard] == sorted(rows for _, rows in heard)
    assert heard[-1] == (str(landing / "shop.csv"), 60_000)
    assert len(heard) > 1


def test_statistics_follow_a_load(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(TWO)
    load_feed(warehouse_url, make_feed())
    assert query("select reltuples from pg_class where oid = 'raw.order_lines'::regclass") == [(2.0,)]


def test_a_file_that_grows_while_it_is_read_waits_for_the_next_load(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(TWO)

    def grow(file: str, *_: object) -> None:
        with open(file, "a") as stream:
            stream.write("2,2026-01-01,1,1,a\n")

    with pytest.raises(InputError, match="was written to while it was being read"):
        load_feed(warehouse_url, make_feed(), progress=grow)
    assert query("select count(*) from raw.order_lines") == [(0,)]
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(3, 3, 0, 0)


def test_a_feed_that_is_being_loaded_is_refused_with_a_sentence_and_others_are_not(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(TWO)
    (landing / "other.csv").write_text(TWO)
    feed, other = make_feed(), make_feed(name="other")
    is_reading, may_end = threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        is_reading.set()
        may_end.wait(60)

    thread = threading.Thread(target=load_feed, args=(warehouse_url, feed), kwargs={"progress": wait})
    thread.start()
    assert is_reading.wait(60)
    with pytest.raises(
        LoadInProgress, match="shop: another process is loading this feed; wait for it to end"
    ):
        load_feed(warehouse_url, feed, patience=0)
    assert load_feed(warehouse_url, other) == LoadCounts(2, 2, 0, 0)
    may_end.set()
    assert load_feed(warehouse_url, feed) == LoadCounts(0, 0, 0, 0)
    thread.join()
    assert query("select file, rows_loaded from ops.load_batches order by batch_id") == [
        (str(landing / "other.csv"), 2),
        (str(landing / "shop.csv"), 2),
    ]


def test_batch_ids_commit_in_order(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(TWO)
    feed = make_feed()
    with warehouse.connect(warehouse_url) as slow:
        slow.execute("select pg_advisory_xact_lock(%s)", [batches.LANDING_LOCK])
        batches.open_batch(slow, feed, "earlier.csv", "0" * 64, rows_read=0, rows_rejected=0)
        thread = threading.Thread(target=load_feed, args=(warehouse_url, feed))
        thread.start()
        thread.join(1)
        assert thread.is_alive(), "a load must wait for the one that took its batch id before"
        slow.commit()
        thread.join()
    assert query("select batch_id, file from ops.load_batches order by batch_id") == [
        (1, "earlier.csv"),
        (2, str(landing / "shop.csv")),
    ]


def test_a_full_disk_is_named_and_leaves_nothing(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    (landing / "shop.csv").write_text(TWO)

    def full(*_: object) -> None:
        raise psycopg.errors.DiskFull("could not extend file")

    with monkeypatch.context() as patched:
        patched.setattr(copying, "copy_csv", full)
        with pytest.raises(DiskFull, match=r"shop.csv: the warehouse's disk is full"):
            load_feed(warehouse_url, make_feed())
    assert query("select count(*) from ops.load_batches") == [(0,)]


def test_a_warehouse_that_goes_away_is_named(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    (landing / "shop.csv").write_text(TWO)

    def cut_off(*_: object) -> None:
        query(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'rapport' and datname = current_database()"
        )

    with pytest.raises(WarehouseUnavailable, match=r"shop.csv: the warehouse went away .* run again"):
        load_feed(warehouse_url, make_feed(), progress=cut_off)
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(2, 2, 0, 0)
