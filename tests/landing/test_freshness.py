"""How fresh each feed is: in the ledger, in the report, and in dbt's words."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rapport import dbt, ledger, report, steps, terminal
from rapport.landing.freshness import FreshnessState, assess
from rapport.landing.load import FilesRefused, load_feed
from rapport.settings import Settings
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
HEADER = "order,at,quantity,price,product\n"
AS_OF = datetime(2026, 1, 10, tzinfo=UTC)
LIMITS = {"warn_after": "2d", "error_after": "4d"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setenv("RAPPORT_HOME", str(settings.home))
    monkeypatch.setenv("RAPPORT_CONFIG", str(settings.config))
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", str(settings.warehouse_url))


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (timedelta(days=2), FreshnessState.PASS),
        (timedelta(days=2, seconds=1), FreshnessState.WARN),
        (timedelta(days=4), FreshnessState.WARN),
        (timedelta(days=4, seconds=1), FreshnessState.ERROR),
        (timedelta(days=-1), FreshnessState.PASS),
        (None, FreshnessState.ERROR),
    ],
)
def test_a_feed_is_as_fresh_as_its_newest_record(
    make_feed: MakeFeed, age: timedelta | None, state: FreshnessState
) -> None:
    newest = {"shop": AS_OF - age} if age is not None else {}
    [assessed] = assess([make_feed(freshness=LIMITS)], newest, AS_OF)
    assert assessed.state is state
    [unlimited] = assess([make_feed(name="other")], {}, AS_OF)
    assert unlimited.state is FreshnessState.NONE


def written(found: report.Report) -> str:
    out = io.StringIO()
    terminal.summary(found, mailbox=Path("/nowhere"), out=terminal.console(out))
    return " ".join(out.getvalue().split())


def load_in_run(url: str, feed: Feed, run_id: int) -> None:
    with ledger.step(url, run_id, "ingest_orders", feed.name) as record:
        record.rows_read = record.rows_loaded = load_feed(url, feed).rows_read


def test_a_run_notes_freshness_and_new_columns_once(
    make_feed: MakeFeed, landing: Path, warehouse_url: str
) -> None:
    feed = make_feed(freshness=LIMITS)
    first = ledger.open_run(warehouse_url, as_of=AS_OF, config="c").run_id
    (landing / "shop1.csv").write_text(HEADER + "1,2026-01-07,1,1,a\n")
    load_in_run(warehouse_url, feed, first)
    steps.open_run(AS_OF, first, is_rebuild=False)
    found = report.last_run(warehouse_url)
    assert found is not None
    assert [(fresh.feed, fresh.state) for fresh in found.intake.freshness] == [("shop", "warn")]
    assert found.intake.new_columns == [], "a feed's first columns are not new"
    assert "72 h old: late, expected within 48 h" in written(found)

    second = ledger.open_run(warehouse_url, as_of=AS_OF, config="c").run_id
    (landing / "shop2.csv").write_text(HEADER.replace("\n", ",colour,size\n") + "2,2026-01-09,1,1,a,red,9\n")
    load_in_run(warehouse_url, feed, second)
    steps.open_run(AS_OF, second, is_rebuild=False)
    found = report.last_run(warehouse_url)
    assert found is not None
    assert [fresh.state for fresh in found.intake.freshness] == ["pass"]
    assert "shop: 2 new columns in the source, kept in payload: colour, size" in written(found)
    assert found.as_json()["sources"]["new_columns"] == [
        {"feed": "shop", "column": name, "file": str(landing / "shop2.csv")} for name in ("colour", "size")
    ]

    third = ledger.open_run(warehouse_url, as_of=AS_OF, config="c").run_id
    (landing / "shop3.csv").write_text(HEADER.replace("\n", ",colour\n") + "3,2026-01-09,1,1,a,red\n")
    load_in_run(warehouse_url, feed, third)
    steps.open_run(AS_OF, third, is_rebuild=False)
    found = report.last_run(warehouse_url)
    assert found is not None
    assert found.intake.new_columns == [], "reported once"


def test_the_report_names_what_is_held_and_what_waits(
    make_feed: MakeFeed, landing: Path, warehouse_url: str
) -> None:
    run_id = ledger.open_run(warehouse_url, as_of=AS_OF, config="c").run_id
    (landing / "shop1.csv").write_text(HEADER + "1,2026-01-07,x,1,a\n")
    (landing / "shop2.csv").write_text(HEADER + "1,2026-01-07,x,1,a\n" * 20)
    with pytest.raises(FilesRefused):
        load_in_run(warehouse_url, make_feed(), run_id)
    found = report.last_run(warehouse_url)
    assert found is not None
    page = written(found)
    assert "shop: 20 rows are held, see `rapport held`" in page
    assert "20 of 20 rows would be rejected" in page, "the failed step says why"
    assert "1 rejected rows wait" in page
    sources = found.as_json()["sources"]
    assert sources["rejected_rows"] == {"shop": 1}
    assert [(batch["feed"], batch["rows_held"]) for batch in sources["held"]] == [("shop", 20)]


def test_dbt_knows_the_limits_of_every_feed(
    make_feed: MakeFeed,
    landing: Path,
    settings: Settings,
    warehouse_url: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    now = datetime.now(UTC)
    for name, age in (
        ("fresh", timedelta(hours=1)),
        ("late", timedelta(days=3)),
        ("dead", timedelta(days=9)),
    ):
        (landing / f"{name}.csv").write_text(HEADER + f"1,{now - age:%Y-%m-%d %H:%M:%S},1,1,a\n")
        load_feed(warehouse_url, make_feed(name=name, source="it's {{ a }} shop", freshness=LIMITS))
    assert not dbt.command(settings, warehouse_url, None, ["source", "freshness"]), "a dead feed is an error"
    said = capfd.readouterr().out
    for state, name in (("PASS", "fresh"), ("WARN", "late"), ("ERROR STALE", "dead")):
        assert any(state in line and f"feeds.{name}" in line for line in said.splitlines()), said
