"""Files that were loaded and are gone: told once, and nothing of them is taken away."""

import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rapport import ledger, report, terminal, warehouse
from rapport.errors import InputError
from rapport.landing import retention
from rapport.landing.load import load_feed, reload
from rapport.landing.vanished import VanishedFiles, noticed_between
from rapport.settings import Settings
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]
HEADER = "order,at,quantity,price,product\n"
NOTED = "select feed, right(file, 10) from ops.vanished_files order by file"


def fill(landing: Path, *numbers: int) -> list[Path]:
    files = [landing / f"shop-{number}.csv" for number in numbers]
    for number, file in zip(numbers, files, strict=True):
        file.write_text(f"{HEADER}{number},2026-01-01,1,1,a\n")
    return files


def status(url: str) -> str:
    """What `rapport status` says."""
    out = StringIO()
    found = report.last_run(url)
    assert found is not None
    terminal.summary(found, mailbox=Path("/nowhere"), out=Console(file=out, width=200))
    return out.getvalue()


def begin_run(url: str) -> int:
    return ledger.open_run(url, as_of=datetime.now(UTC), config="x").run_id


def test_what_is_gone_is_told_once_by_the_run_that_noticed(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    files = fill(landing, 1, 2, 3, 4)
    feed = make_feed()
    load_feed(warehouse_url, feed)
    assert query(NOTED) == []
    files[0].unlink()
    files[1].unlink()
    run = begin_run(warehouse_url)
    load_feed(warehouse_url, feed)
    ledger.close_run(warehouse_url, run)
    told = f"shop: 2 files that were loaded before are gone (first: {files[0]}); their rows stay"
    assert told in status(warehouse_url)
    assert query("select count(*) from raw.order_lines") == [(4,)]

    run = begin_run(warehouse_url)
    load_feed(warehouse_url, feed)
    ledger.close_run(warehouse_url, run)
    assert "loaded before" not in status(warehouse_url)

    run = begin_run(warehouse_url)
    files[2].unlink()
    load_feed(warehouse_url, feed)
    ledger.close_run(warehouse_url, run)
    assert f"shop: 1 file that was loaded before is gone ({files[2]}); its rows stay" in status(warehouse_url)
    found = report.last_run(warehouse_url)
    assert found is not None
    assert found.as_json()["sources"]["vanished"] == [{"feed": "shop", "files": 1, "first": str(files[2])}]


def test_a_file_that_came_back_and_goes_again_is_told_again(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    first, _ = fill(landing, 1, 2)
    content = first.read_text()
    for _ in range(2):
        first.write_text(content)
        load_feed(warehouse_url, make_feed())
        assert query(NOTED) == []
        first.unlink()
        load_feed(warehouse_url, make_feed())
        assert query(NOTED) == [("shop", "shop-1.csv")]


def test_a_file_with_a_new_name_or_new_content_is_not_gone(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    first, second = fill(landing, 1, 2)
    load_feed(warehouse_url, make_feed())
    first.rename(landing / "shop-9.csv")
    second.write_text(f"{HEADER}5,2026-01-01,1,1,a\n")
    load_feed(warehouse_url, make_feed())
    second.rename(landing / "shop-8.csv")
    load_feed(warehouse_url, make_feed())
    assert query(NOTED) == []


def test_other_feeds_and_rejected_rows_do_not_mix_in(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    fill(landing, 1)
    (landing / "other.csv").write_text(f"{HEADER}7,2026-01-01,1,1,a\n")
    for name in ("shop", "other"):
        load_feed(warehouse_url, make_feed(name=name))
    for name in ("shop", "other"):
        load_feed(warehouse_url, make_feed(name=name))
    assert query(NOTED) == []


def test_where_no_file_is_found_the_refusal_says_it(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    [file] = fill(landing, 1)
    load_feed(warehouse_url, make_feed())
    file.unlink()
    with pytest.raises(InputError, match="no file matches"):
        load_feed(warehouse_url, make_feed())
    assert query(NOTED) == []


def test_an_archive_that_cannot_be_opened_hides_its_members_and_takes_none_away(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query
) -> None:
    fill(landing, 1)
    with zipfile.ZipFile(landing / "shop.zip", "w") as archive:
        archive.writestr("lines.csv", f"{HEADER}3,2026-01-01,1,1,a\n")
    load_feed(warehouse_url, make_feed())
    (landing / "shop.zip").write_bytes(b"PK no archive")
    with pytest.raises(InputError):
        load_feed(warehouse_url, make_feed())
    assert query(NOTED) == []


def test_what_is_read_again_from_its_copy_is_still_gone_and_not_told_again(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, settings: Settings, query: Query
) -> None:
    store = retention.read_retention(settings).store
    first, _ = fill(landing, 1, 2)
    feed = make_feed()
    load_feed(warehouse_url, feed, kept=store)
    first.unlink()
    load_feed(warehouse_url, feed, kept=store)
    noticed = query("select noticed_at from ops.vanished_files")
    assert len(noticed) == 1
    reload(warehouse_url, feed)
    load_feed(warehouse_url, feed, kept=store)
    load_feed(warehouse_url, feed, kept=store)
    assert query("select noticed_at from ops.vanished_files") == noticed
    with warehouse.connect(warehouse_url) as connection:
        assert noticed_between(connection, None, None) == [VanishedFiles("shop", 1, str(first))]
