"""Copies of what was read: made with a load, read where the original is gone, removed when they are old."""

import gzip
import hashlib
import io
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from fsspec.implementations.memory import MemoryFileSystem

from rapport import steps, warehouse
from rapport.campaigns.files import read_model
from rapport.errors import ConfigurationError, SourceUnavailable
from rapport.landing import held, retention
from rapport.landing.event_months import EVENTS_FOR_A_MONTH
from rapport.landing.kept_files import KeptFiles
from rapport.landing.load import FilesRefused, LoadCounts, load_feed, reload
from rapport.settings import PROJECT, Settings
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]
HEADER = "order,at,quantity,price,product\n"
COLUMNS = {"order_id": "order", "ordered_at": "at", "quantity": "quantity", "unit_price": "price"}
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def store(settings: Settings) -> KeptFiles:
    kept = retention.read_retention(settings).store
    assert kept is not None
    return kept


def copies(store: KeptFiles) -> list[Path]:
    return sorted(path for path in Path(store.folder).rglob("*") if path.is_file())


def lines(count: int, first: int = 0, quantity: str = "1") -> str:
    return HEADER + "".join(f"{n},2026-01-01,{quantity},1,a\n" for n in range(first, first + count))


@pytest.mark.parametrize("packing", ["", ".gz", ".zip"])
def test_what_is_read_is_kept_and_read_again_when_it_is_gone(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, store: KeptFiles, query: Query, packing: str
) -> None:
    file = landing / f"shop.csv{packing}"
    content = lines(1000, quantity="2")
    if packing == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("shop/lines.csv", content)
    else:
        file.write_bytes(gzip.compress(content.encode()) if packing else content.encode())
    assert load_feed(warehouse_url, make_feed(), kept=store) == LoadCounts(1000, 1000, 0, 0)
    [copy] = copies(store)
    assert copy.suffix == ".zst"
    assert copy.stat().st_size < len(content) / 5
    assert copy.stat().st_mode & 0o077 == 0, "it is personal data"
    assert Path(store.folder).stat().st_mode & 0o077 == 0
    assert query("select stored_bytes, removed_at from ops.kept_files") == [(copy.stat().st_size, None)]

    file.unlink()
    with pytest.raises(Exception, match="no file matches"):
        load_feed(warehouse_url, make_feed(), kept=store)
    reload(warehouse_url, make_feed())
    mended = make_feed(columns={**COLUMNS, "quantity": {"column": "quantity", "map": {"2": "3"}}})
    assert load_feed(warehouse_url, mended, kept=store).rows_read == 1000
    assert query(
        "select distinct quantity::int from raw.order_lines inner join ops.load_batches using (batch_id)"
        " where replaced_by is null"
    ) == [(3,)]


def test_the_original_goes_before_its_copy_and_both_are_one(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, store: KeptFiles, query: Query
) -> None:
    (landing / "shop.csv").write_text(lines(3))
    load_feed(warehouse_url, make_feed(), kept=store)
    reload(warehouse_url, make_feed())
    assert load_feed(warehouse_url, make_feed(), kept=store).rows_read == 3
    assert load_feed(warehouse_url, make_feed(), kept=store) == LoadCounts()
    assert query("select count(*) from ops.load_batches") == [(2,)]


def test_what_was_overwritten_is_read_again_too(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, store: KeptFiles, query: Query
) -> None:
    (landing / "shop.csv").write_text(lines(3))
    load_feed(warehouse_url, make_feed(), kept=store)
    (landing / "shop.csv").write_text(lines(2, first=10))
    load_feed(warehouse_url, make_feed(), kept=store)
    assert load_feed(warehouse_url, make_feed(), kept=store) == LoadCounts(), "a copy is no new file"
    reload(warehouse_url, make_feed())
    assert load_feed(warehouse_url, make_feed(), kept=store).rows_read == 5
    assert query(
        "select count(*) from raw.order_lines inner join ops.load_batches using (batch_id)"
        " where replaced_by is null"
    ) == [(5,)]


def test_a_held_file_that_is_gone_is_loaded_from_its_copy(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, store: KeptFiles
) -> None:
    (landing / "shop.csv").write_text(lines(40, quantity="x"))
    (landing / "shop2.csv").write_text(lines(1))
    with pytest.raises(FilesRefused):
        load_feed(warehouse_url, make_feed(), kept=store)
    (landing / "shop.csv").unlink()
    reload(warehouse_url, make_feed())
    with pytest.raises(FilesRefused, match="40 of 40 rows"):
        load_feed(warehouse_url, make_feed(), kept=store)
    with warehouse.connect(warehouse_url) as connection:
        held.accept(connection, "shop")
    assert load_feed(warehouse_url, make_feed(), kept=store) == LoadCounts(40, 0, 0, 40)


def test_a_copy_that_cannot_be_read_again_is_named_once_and_what_it_brought_stays(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, store: KeptFiles, query: Query
) -> None:
    (landing / "shop.csv").write_text(lines(3))
    (landing / "shop2.csv").write_text(lines(1, first=100))
    load_feed(warehouse_url, make_feed(), kept=store)
    (landing / "shop.csv").unlink()
    for copy in copies(store):
        copy.write_bytes(copy.read_bytes()[:-5])
    reload(warehouse_url, make_feed())
    with pytest.raises(FilesRefused, match=r"shop.csv is gone, and its kept copy .*is damaged"):
        load_feed(warehouse_url, make_feed(), kept=store)
    assert load_feed(warehouse_url, make_feed(), kept=store) == LoadCounts()
    assert query(
        "select count(*) from raw.order_lines inner join ops.load_batches using (batch_id)"
        " where replaced_by is null"
    ) == [(4,)]


def test_a_file_that_changed_before_it_was_kept_is_left_alone(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, store: KeptFiles, query: Query
) -> None:
    (landing / "shop.csv").write_text(lines(3))
    load_feed(warehouse_url, make_feed())
    (landing / "shop.csv").write_text(lines(4))
    assert store.keep(_file(make_feed()), "0" * 64) is None
    assert copies(store) == []


class _Store(MemoryFileSystem):  # type: ignore[misc]
    """An object store that fails once, in the middle of a file, in words of its library's own."""

    cachable = False

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        class Writer(io.RawIOBase):
            has_failed = False

            def writable(self) -> bool:
                return True

            def write(self, block: Any) -> int:
                if self.has_failed:
                    return len(block)
                self.has_failed = True
                raise HttpResponseError("the account's key, of all things")

        return Writer()


def test_a_store_that_fails_while_it_is_written_to_is_not_taken_for_a_file_that_changed(
    make_feed: MakeFeed, landing: Path, tmp_path: Path
) -> None:
    content = random.Random(1).randbytes(3 << 20)
    (landing / "shop.csv").write_bytes(content)
    failing = KeptFiles(_Store(), "/kept", "az://kept")
    with pytest.raises(SourceUnavailable, match=r"az://kept does not answer .*copies cannot be") as error:
        failing.keep(_file(make_feed()), hashlib.sha256(content).hexdigest())
    assert "key" not in str(error.value)


def _file(feed: Feed) -> Any:
    from rapport.sources.files import find_files

    return find_files(feed)[0]


def age(query: Query, table: str, column: str, days: int) -> None:
    query(
        f"update ops.{table} set {column} = timestamptz '{NOW.isoformat()}' - interval '{days} days'"
        " returning 1"
    )


def test_tidy_removes_what_is_old_and_says_so(
    make_feed: MakeFeed, landing: Path, settings: Settings, warehouse_url: str, store: KeptFiles, query: Query
) -> None:
    (landing / "shop.csv").write_text(lines(3, quantity="x"))
    load_feed(warehouse_url, make_feed(), kept=store)
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        age(query, "kept_files", "kept_at", 29)
        age(query, "rejected_records", "rejected_at", 89)
        assert not retention.anything_old(connection, settings, NOW)
        assert retention.tidy(connection, settings, NOW).sentence() == "nothing was old enough to be removed"
        assert len(copies(store)) == 1
        age(query, "kept_files", "kept_at", 30)
        age(query, "rejected_records", "rejected_at", 91)
        assert retention.anything_old(connection, settings, NOW)
        tidied = retention.tidy(connection, settings, NOW)
        assert tidied.sentence() == "removed 1 kept files (0.0 MB), 3 rejected rows"
        assert retention.tidy(connection, settings, NOW) == retention.Tidied()
        assert not retention.anything_old(connection, settings, NOW)
    assert copies(store) == []
    assert load_feed(warehouse_url, make_feed(), kept=store) == LoadCounts()
    assert copies(store) == [], "what was removed is not kept again"


def test_what_is_held_is_kept_until_it_is_decided(
    make_feed: MakeFeed, landing: Path, settings: Settings, warehouse_url: str, store: KeptFiles, query: Query
) -> None:
    (landing / "shop.csv").write_text(lines(40, quantity="x"))
    with pytest.raises(FilesRefused):
        load_feed(warehouse_url, make_feed(), kept=store)
    age(query, "kept_files", "kept_at", 99)
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        assert retention.tidy(connection, settings, NOW).kept_files == 0
        held.drop(connection, "shop")
        assert retention.tidy(connection, settings, NOW).kept_files == 1


def test_months_of_visits_that_are_old_are_dropped(
    settings: Settings, warehouse_url: str, query: Query, make_feed: MakeFeed, landing: Path
) -> None:
    (landing / "web.csv").write_text(
        "id,name,at\n"
        + "".join(f"{n},view,2025-{n % 6 + 1:02}-15 10:00:00\n" for n in range(6 * EVENTS_FOR_A_MONTH))
    )
    columns = {"event_id": "id", "event_name": "name", "occurred_at": "at"}
    load_feed(warehouse_url, make_feed("web_events", "web", columns=columns))
    (settings.config / "landing.yml").write_text("retention: {web_events: 90d}\n")
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        moment = datetime(2025, 6, 20, tzinfo=UTC)
        assert not retention.anything_old(connection, settings, datetime(2025, 3, 31, tzinfo=UTC))
        assert retention.anything_old(connection, settings, moment)
        assert retention.tidy(connection, settings, moment).partitions == ("2025-01", "2025-02")
        assert not retention.anything_old(connection, settings, moment)
    assert query("select min(occurred_at)::date::text from raw.web_events") == [("2025-03-15",)]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "retention: {kept_file: 30d}",
            "landing.yml: retention.kept_file is no key here; did you mean kept_files?",
        ),
        (
            "retention: {kept_files: a month}",
            "'a month' is no length of time; write a number and m, h, d or w",
        ),
        ("kept_files: $NOWHERE_SET/kept", "$NOWHERE_SET/kept names a variable that is not set"),
        ("kept_files: nosuch://bucket", "nosuch"),
    ],
)
def test_mistakes_in_the_configuration_are_named(settings: Settings, written: str, said: str) -> None:
    (settings.config / "landing.yml").write_text(written)
    with pytest.raises(ConfigurationError) as error:
        retention.read_retention(settings)
    assert said in str(error.value)


def test_files_are_not_kept_where_that_is_off(settings: Settings) -> None:
    (settings.config / "landing.yml").write_text("retention: {kept_files: off, rejected_rows: forever}\n")
    kept = retention.read_retention(settings)
    assert (kept.store, kept.retention.rejected_rows) == (None, None)


def test_the_configuration_that_comes_with_rapport_is_the_default(settings: Settings) -> None:
    shipped = read_model(PROJECT / "config" / "landing.yml", retention.LandingFile)
    assert shipped == retention.LandingFile()
    assert shipped.retention.kept_files == timedelta(days=30)


def test_the_step_removes_by_the_earlier_of_as_of_and_the_clock_and_is_noted_where_it_did(
    make_feed: MakeFeed,
    landing: Path,
    settings: Settings,
    warehouse_url: str,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAPPORT_HOME", str(settings.home))
    monkeypatch.setenv("RAPPORT_CONFIG", str(settings.config))
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", warehouse_url)
    (landing / "shop.csv").write_text(lines(3, quantity="x"))
    load_feed(warehouse_url, make_feed())
    for moment in (NOW - timedelta(days=9999), NOW + timedelta(days=9999)):
        assert steps.tidy("tidy", None, moment) == "nothing was old enough to be removed"
    assert query("select count(*) from ops.run_steps") == [(0,)]
    age(query, "rejected_records", "rejected_at", 9999)
    assert steps.tidy("tidy", None, NOW) == "removed 3 rejected rows"
    assert query("select step, state, message from ops.run_steps") == [
        ("tidy", "succeeded", "removed 3 rejected rows")
    ]
