import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rapport import warehouse
from rapport.landing import known_files
from rapport.landing.load import load_feed
from rapport.landing.transaction import LoadCounts
from rapport.sources.feed import Feed
from rapport.sources.stored_file import SourceFile

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]

ROWS = "order,at,quantity,price,product\n1,2026-01-01,1,1,a\n"
NONE = LoadCounts()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose content was read for its hash."""
    names: list[str] = []
    content_hash = SourceFile.content_hash

    def note(file: SourceFile) -> str:
        names.append(file.name)
        return content_hash(file)

    monkeypatch.setattr(SourceFile, "content_hash", note)
    return names


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an hour later than the files' times."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)


@pytest.mark.usefixtures("later")
def test_a_file_that_was_not_written_to_is_not_read_again(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, hashed: list[str]
) -> None:
    (landing / "shop.csv").write_text(ROWS)
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(1, 1, 0, 0)
    assert load_feed(warehouse_url, make_feed()) == NONE
    assert hashed == ["shop.csv"]


@pytest.mark.usefixtures("later")
def test_a_touched_file_is_read_for_its_hash_and_not_loaded(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, hashed: list[str]
) -> None:
    (landing / "shop.csv").write_text(ROWS)
    load_feed(warehouse_url, make_feed())
    os.utime(landing / "shop.csv", (1_700_000_000, 1_700_000_000))
    for _ in range(2):
        assert load_feed(warehouse_url, make_feed()) == NONE
    assert hashed == ["shop.csv", "shop.csv"]


@pytest.mark.usefixtures("later")
def test_other_content_of_the_same_size_and_time_is_loaded(
    make_feed: MakeFeed, landing: Path, warehouse_url: str
) -> None:
    (landing / "shop.csv").write_text(ROWS)
    load_feed(warehouse_url, make_feed())
    written = os.stat(landing / "shop.csv")
    (landing / "new").write_text(ROWS.replace("\n1,", "\n2,"))
    (landing / "new").rename(landing / "shop.csv")
    os.utime(landing / "shop.csv", ns=(written.st_atime_ns, written.st_mtime_ns))
    assert load_feed(warehouse_url, make_feed()) == LoadCounts(1, 1, 0, 0)


def test_a_file_just_written_is_not_known_by_its_time(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, hashed: list[str]
) -> None:
    (landing / "shop.csv").write_text(ROWS)
    for _ in range(2):
        load_feed(warehouse_url, make_feed())
    assert hashed == ["shop.csv", "shop.csv"]


def test_a_file_that_changes_while_it_is_hashed_is_not_remembered(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    (landing / "shop.csv").write_text(ROWS)
    monkeypatch.setattr(known_files, "SETTLED_SECONDS", -1)
    content_hash = SourceFile.content_hash

    def grow(file: SourceFile) -> str:
        found = content_hash(file)
        with open(file.path, "a") as stream:
            stream.write("2,2026-01-01,1,1,a\n")
        return found

    monkeypatch.setattr(SourceFile, "content_hash", grow)
    feed = make_feed()
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        from rapport.sources.files import find_files

        known_files.identify(connection, feed, find_files(feed)[0])
    assert query("select count(*) from ops.known_files") == [(0,)]
