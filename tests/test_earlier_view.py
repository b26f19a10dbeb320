"""Where much of what a run may see is new, it builds from nothing; the other rules are in test_ledger.py."""

from datetime import UTC, datetime, timedelta

import pytest

from rapport import earlier_view, ledger, warehouse

MONDAY = datetime(2026, 6, 29, 6, tzinfo=UTC)


def load(url: str, batch_id: int, rows: int, *, latest: datetime = MONDAY - timedelta(days=1)) -> None:
    with warehouse.connect(url) as connection:
        connection.execute(
            """
            insert into ops.load_batches (
                batch_id, source, stream, mode, feed, file, file_hash, mapping_hash,
                rows_read, rows_loaded, rows_duplicate, rows_rejected, started_at, delivery, latest_time
            )
            values (
                %(id)s, 'shop', 'refunds', 'append', 'shop', 'a.csv', %(id)s, 'm',
                %(rows)s, %(rows)s, 0, 0, now(), %(id)s, %(latest)s
            )
            """,
            {"id": batch_id, "rows": rows, "latest": latest},
        )


def built(url: str, *, day: int) -> ledger.Run:
    opened = ledger.open_run(url, as_of=MONDAY + timedelta(days=day), config="c")
    run = ledger.fix_batches(url, opened.run_id, view="v")
    with ledger.step(url, run.run_id, "build_customer_view", "build_marts"):
        pass
    return run


def test_where_much_was_loaded_since_the_view_is_built_from_nothing(warehouse_url: str) -> None:
    load(warehouse_url, 1, 900_000)
    built(warehouse_url, day=0)
    load(warehouse_url, 2, 200_000)
    assert built(warehouse_url, day=1).since is not None
    load(warehouse_url, 3, 500_000)
    assert built(warehouse_url, day=2).since is None
    assert built(warehouse_url, day=3).since is not None


def test_a_small_shop_is_built_upon_whatever_share_is_new(warehouse_url: str) -> None:
    load(warehouse_url, 1, 10)
    built(warehouse_url, day=0)
    load(warehouse_url, 2, 99_000)
    assert built(warehouse_url, day=1).since is not None


def test_rows_that_become_visible_are_new_too(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_view, "MANY_ROWS", 2)
    load(warehouse_url, 1, 10, latest=MONDAY + timedelta(days=9))
    with warehouse.connect(warehouse_url) as connection:
        connection.execute(
            """
            insert into raw.refunds (
                source, mode, refund_id, refunded_at, amount, row_key, content_hash, batch_id, line_number
            )
            select 'shop', 'append', number, %s + number * interval '1 day', 1, md5(number::text)::uuid,
                md5(number::text)::uuid, 1, number
            from generate_series(0, 9) as number
            """,
            [MONDAY],
        )
    built(warehouse_url, day=1)
    assert built(warehouse_url, day=3).since is not None
    assert built(warehouse_url, day=7).since is None
