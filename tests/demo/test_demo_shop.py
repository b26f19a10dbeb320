"""What write_shop promises: the same arguments give the same bytes, whole, never over other files."""

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from written_shop import WrittenShop, counts_on_disk

from rapport.demo import shop as demo_shop
from rapport.demo.shop import FEEDS, write_shop
from rapport.demo.truth import ShopTruth
from rapport.errors import ConfigurationError


def _fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_in_another_process(shop: WrittenShop, tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from rapport.demo.shop import write_shop; "
        f"write_shop(Path({str(tmp_path)!r}), seed=3, customers=600)"
    )
    plugins = str(Path(demo_shop.__file__).parents[2])
    environment = {"PYTHONPATH": plugins, "PYTHONHASHSEED": "17", "TZ": "Pacific/Auckland"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert _fingerprints(tmp_path) == _fingerprints(shop.folder)


def test_the_bytes_are_those_that_this_edition_has_always_had(shop: WrittenShop) -> None:
    """When the same seed gives other files: count up `_EDITION` in shop.py and note the new hash."""
    digest = hashlib.sha256(repr(_fingerprints(shop.folder)).encode()).hexdigest()
    assert digest[:16] == "39b017ed267ee9e4"


def test_another_seed_gives_another_shop(shop: WrittenShop, tmp_path: Path) -> None:
    other = write_shop(tmp_path, seed=4, customers=600)
    assert other.gross_cents != shop.truth.gross_cents


def test_every_feed_is_there_in_forty_files_at_most(shop: WrittenShop) -> None:
    assert sorted(path.name for path in shop.folder.iterdir()) == sorted([*FEEDS, "truth"])
    assert len(list(shop.folder.rglob("*.*"))) - 4 <= 40
    assert all(counts.rows > 0 for counts in shop.truth.feeds.values())


@pytest.mark.parametrize("customers", [50, 200, 5000])
def test_a_shop_can_have_any_size(tmp_path: Path, customers: int) -> None:
    truth = write_shop(tmp_path, customers=customers)
    assert truth.people == customers
    assert 2.5 * customers < truth.orders < 7 * customers


# Of each feed: its time columns, how they are written, and in which zone.
TIMES = {
    "orders": (("placed", "changed", "cancelled"), "%Y-%m-%d %H:%M:%S", "Europe/Berlin"),
    "order_lines": (("placed",), "%Y-%m-%d %H:%M:%S", "Europe/Berlin"),
    "refunds": (("given_back",), "%Y-%m-%d %H:%M:%S", "Europe/Berlin"),
    "web_events": (("at",), "%Y-%m-%dT%H:%M:%SZ", "UTC"),
    "ticket_versions": (("opened", "changed", "first_reply", "solved"), "%d/%m/%Y %H:%M:%S", "Europe/Berlin"),
    "ticket_events": (("at",), "%Y-%m-%dT%H:%M:%SZ", "UTC"),
    "contacts": (("changed",), "%Y-%m-%dT%H:%M:%SZ", "UTC"),
    "consents": (("decided", "confirmed"), "%Y-%m-%dT%H:%M:%SZ", "UTC"),
}


@pytest.mark.parametrize(
    "end",
    [
        datetime(2025, 10, 26, 0, 30, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2024, 2, 29, 23, 59, tzinfo=UTC),
        datetime(2025, 12, 7, 19, 50, tzinfo=UTC),
    ],
)
def test_everything_happens_up_to_the_end_and_nothing_later(tmp_path: Path, end: datetime) -> None:
    """On the nights when the clocks change, too, and on a busy evening in Advent."""
    shop = WrittenShop(tmp_path, write_shop(tmp_path, customers=1500, end=end))
    for feed, (columns, written, zone) in TIMES.items():
        rows = shop.feed(feed)
        for column in columns:
            newest = pd.to_datetime(rows[column], errors="coerce", format=written).max().tz_localize(zone)
            assert newest < end, (feed, column)
            assert newest > end - timedelta(days=2 if feed == "web_events" else 60), (feed, column)
    assert shop.feed("survey_responses")["at"].max() < end


def test_writing_again_leaves_every_file_alone(tmp_path: Path) -> None:
    first = write_shop(tmp_path, customers=60)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert write_shop(tmp_path, customers=60) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == written


def test_the_counts_on_disk_are_the_ones_returned(shop: WrittenShop) -> None:
    values = counts_on_disk(shop.folder)
    del values["files"]
    assert ShopTruth.from_json(shop.folder, values) == shop.truth  # type: ignore[arg-type]


def test_a_shop_that_was_cut_off_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shop(tmp_path / "whole", customers=60)
    begun = tmp_path / "begun"
    really_write, room = demo_shop.write, iter(range(12))

    def write_until_killed(path: Path, content: bytes) -> None:
        if next(room, None) is None:
            raise KeyboardInterrupt
        really_write(path, content)

    monkeypatch.setattr(demo_shop, "write", write_until_killed)
    with pytest.raises(KeyboardInterrupt):
        write_shop(begun, customers=60)
    assert not (begun / "truth" / "counts.json").exists()
    monkeypatch.undo()
    write_shop(begun, customers=60)
    assert _fingerprints(begun) == _fingerprints(tmp_path / "whole")


def test_a_file_that_went_missing_is_written_again(tmp_path: Path) -> None:
    write_shop(tmp_path, customers=60)
    before = _fingerprints(tmp_path)
    (tmp_path / "refunds" / "refunds.csv").unlink()
    write_shop(tmp_path, customers=60)
    assert _fingerprints(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seed": 2, "customers": 60}, "seed 1, not 2"),
        ({"customers": 61}, "customers 60, not 61"),
        ({"customers": 60, "end": datetime(2026, 6, 1, tzinfo=UTC)}, "end 2026-07-01T06:00:00"),
    ],
)
def test_another_shop_is_not_written_over_it(tmp_path: Path, arguments: dict, sentence: str) -> None:
    write_shop(tmp_path, customers=60)
    before = _fingerprints(tmp_path)
    with pytest.raises(ConfigurationError, match=sentence):
        write_shop(tmp_path, **arguments)
    assert _fingerprints(tmp_path) == before


def test_files_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "mine.csv").write_text("precious\n")
    with pytest.raises(ConfigurationError, match="not a generated shop's"):
        write_shop(tmp_path, customers=60)
    assert [path.name for path in tmp_path.rglob("*")] == ["orders", "mine.csv"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"customers": 0}, "50 to 200,000"),
        ({"seed": -1}, "seed is -1"),
        ({"end": datetime(2026, 7, 1)}, "without a time zone"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, arguments: dict, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        write_shop(tmp_path, **arguments)
    assert not any(tmp_path.iterdir())
