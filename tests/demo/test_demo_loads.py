"""The source files that a clone comes with read the generated shop; the ledger counts what the truth says."""

from pathlib import Path

import psycopg
import pytest
from written_shop import WrittenShop

from rapport.demo.shop import FEEDS, write_shop
from rapport.landing.load import load_feed
from rapport.settings import PROJECT, Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed


@pytest.fixture
def feeds(tmp_path: Path, shop: WrittenShop) -> list[Feed]:
    """The clone's own feeds, with a home that holds the shop."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "landing").symlink_to(shop.folder)
    return read_feeds(Settings(home, PROJECT / "config", None, None, None))


def test_there_is_a_source_file_for_each_feed(feeds: list[Feed]) -> None:
    assert sorted(feed.name for feed in feeds) == sorted(FEEDS)
    assert all(feed.stream == feed.name for feed in feeds)
    assert all(feed.freshness is not None for feed in feeds)


def test_loads_count_what_the_truth_says(feeds: list[Feed], shop: WrittenShop, warehouse_url: str) -> None:
    for feed in feeds:
        counts, truth = load_feed(warehouse_url, feed), shop.truth.feeds[feed.name]
        assert (feed.name, counts.rows_read, counts.rows_rejected, counts.rows_duplicate) == (
            feed.name,
            truth.rows,
            truth.broken,
            truth.duplicates,
        )
    with psycopg.connect(warehouse_url) as connection:
        cents, returned = connection.execute(
            """
            select
                sum(quantity * unit_price) filter (where quantity > 0) * 100,
                sum(quantity * unit_price) filter (where quantity < 0) * 100
            from raw.order_lines
            """
        ).fetchone()
        assert (int(cents), int(returned)) == (shop.truth.gross_cents, shop.truth.returned_cents)
        for column, kind in (
            ("email", "emails"),
            ("phone", "phones"),
            ("customer_number", "customer_numbers"),
        ):
            shown = connection.execute(f"select distinct lower(trim({column})) from raw.orders").fetchall()
            assert {value for (value,) in shown if value} <= shop.owner_of(kind).keys()
        statuses = connection.execute("select distinct status from raw.ticket_versions").fetchall()
        assert {status for (status,) in statuses} == {"new", "open", "pending", "solved", "closed"}


def test_no_feed_of_the_default_shop_is_stale(tmp_path: Path, warehouse_url: str) -> None:
    truth = write_shop(tmp_path / "landing")
    for feed in read_feeds(Settings(tmp_path, PROJECT / "config", None, None, None)):
        load_feed(warehouse_url, feed)
        with psycopg.connect(warehouse_url) as connection:
            (newest,) = connection.execute(
                f"select max({feed.definition.event_time}) from raw.{feed.stream}"
            ).fetchone()
        assert feed.freshness is not None
        assert feed.freshness.warn_after is not None
        assert newest < truth.end
        assert truth.end - newest < feed.freshness.warn_after, feed.name
