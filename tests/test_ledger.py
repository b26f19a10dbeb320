"""The run ledger: what a run takes in, how it ends, and what a run that was cut off leaves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rapport import ledger, warehouse
from rapport.errors import ConfigurationError
from rapport.ledger import TestResult as DataTestResult

MONDAY = datetime(2026, 7, 6, 6, tzinfo=UTC)


def steps(url: str) -> list[tuple]:
    """(run_id, dag, step, state, rows_loaded, message) of each step, oldest first."""
    with warehouse.connect(url) as connection:
        return connection.execute(
            "select run_id, dag, step, state, rows_loaded, message from ops.run_steps order by step_id"
        ).fetchall()


def read_run(url: str, run_id: int) -> ledger.Run:
    with warehouse.connect(url) as connection:
        return ledger.run(connection, run_id)


def load_a_batch(url: str, batch_id: int) -> None:
    with warehouse.connect(url) as connection:
        connection.execute(
            """
            insert into ops.load_batches (
                batch_id, source, stream, mode, feed, file, file_hash, mapping_hash,
                rows_read, rows_loaded, rows_duplicate, rows_rejected, started_at, delivery
            )
            values (%s, 'shop', 'orders', 'versions', 'shop', 'a.csv', %s, 'm', 0, 0, 0, 0, now(), %s)
            """,
            [batch_id, f"hash {batch_id}", batch_id],
        )


def test_a_run_whose_steps_end_well_succeeds(warehouse_url: str) -> None:
    run = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    assert (run.state, run.as_of, run.max_batch_id, run.config_hash) == ("running", MONDAY, None, "c")
    with ledger.step(warehouse_url, run.run_id, "ingest_orders", "load") as record:
        assert steps(warehouse_url)[0][3] == "running"
        record.rows_loaded = 7
    closed = ledger.close_run(warehouse_url, run.run_id)
    assert closed.state == "succeeded"
    assert closed.ended_at is not None
    assert steps(warehouse_url) == [(run.run_id, "ingest_orders", "load", "succeeded", 7, None)]


def test_a_run_fails_with_its_step_and_says_why(warehouse_url: str) -> None:
    run = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")

    def fail(name: str, reason: str) -> None:
        with ledger.step(warehouse_url, run.run_id, "ingest_orders", name) as record:
            record.rows_loaded = 3
            raise ConfigurationError(reason)

    with pytest.raises(ConfigurationError, match="first reason"):
        fail("load", "first reason")
    with pytest.raises(ConfigurationError):
        fail("again", "second reason")
    closed = ledger.close_run(warehouse_url, run.run_id)
    assert (closed.state, closed.message) == ("failed", "first reason")
    assert steps(warehouse_url)[0] == (run.run_id, "ingest_orders", "load", "failed", 3, "first reason")


def test_a_retry_that_ends_well_makes_up_for_the_try_before(warehouse_url: str) -> None:
    run = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    with (
        pytest.raises(ConfigurationError),
        ledger.step(warehouse_url, run.run_id, "ingest_orders", "load"),
    ):
        raise ConfigurationError("the first try")
    with ledger.step(warehouse_url, run.run_id, "ingest_orders", "load"):
        pass
    assert ledger.close_run(warehouse_url, run.run_id).state == "succeeded"


def test_a_load_that_was_killed_outside_a_run_is_marked_by_its_next_try(warehouse_url: str) -> None:
    ledger.step(warehouse_url, None, "ingest_orders", "load").__enter__()
    with ledger.step(warehouse_url, None, "ingest_orders", "load"):
        pass
    assert [step[3] for step in steps(warehouse_url)] == ["interrupted", "succeeded"]


def test_a_run_that_was_cut_off_is_marked_by_the_next(warehouse_url: str) -> None:
    cut_off = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    # A process that dies never leaves the step's block.
    ledger.step(warehouse_url, cut_off.run_id, "build_customer_view", "marts").__enter__()
    following = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    assert read_run(warehouse_url, cut_off.run_id).state == "interrupted"
    assert [step[3] for step in steps(warehouse_url)] == ["interrupted"]
    assert following.run_id > cut_off.run_id
    assert following.state == "running"


def test_a_run_takes_in_loads_that_no_run_opened(warehouse_url: str) -> None:
    with ledger.step(warehouse_url, None, "ingest_orders", "load"):
        pass
    with pytest.raises(OSError, match="gone"), ledger.step(warehouse_url, None, "ingest_orders", "load"):
        raise OSError("gone")
    run = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    assert [step[:4] for step in steps(warehouse_url)] == [
        (run.run_id, "ingest_orders", "load", "succeeded"),
        (run.run_id, "ingest_orders", "load", "failed"),
    ]
    assert ledger.close_run(warehouse_url, run.run_id).state == "failed"


def test_going_back_in_time_needs_a_rebuild(warehouse_url: str) -> None:
    ledger.close_run(warehouse_url, ledger.open_run(warehouse_url, as_of=MONDAY, config="c").run_id)
    earlier = MONDAY - timedelta(seconds=1)
    with pytest.raises(ConfigurationError, match="--rebuild"):
        ledger.open_run(warehouse_url, as_of=earlier, config="c")
    assert ledger.open_run(warehouse_url, as_of=MONDAY, config="c").as_of == MONDAY
    rebuilt = ledger.open_run(warehouse_url, as_of=earlier, config="c", is_rebuild=True)
    assert (rebuilt.as_of, rebuilt.is_rebuild) == (earlier, True)


def test_what_a_run_sees_is_decided_once(warehouse_url: str) -> None:
    run = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    load_a_batch(warehouse_url, 4)
    assert ledger.fix_batches(warehouse_url, run.run_id, view="").max_batch_id == 4
    load_a_batch(warehouse_url, 5)
    assert ledger.fix_batches(warehouse_url, run.run_id, view="").max_batch_id == 4


def test_a_run_without_any_load_sees_nothing(warehouse_url: str) -> None:
    run = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    assert ledger.fix_batches(warehouse_url, run.run_id, view="").max_batch_id == 0


def see(url: str, view: str, *, days: int = 0, is_rebuild: bool = False) -> ledger.Run:
    """A run that has decided what it sees."""
    opened = ledger.open_run(url, as_of=MONDAY + timedelta(days=days), config="c", is_rebuild=is_rebuild)
    return ledger.fix_batches(url, opened.run_id, view=view)


def build_marts(url: str, run: ledger.Run) -> ledger.Run:
    with ledger.step(url, run.run_id, "build_customer_view", "build_marts"):
        pass
    return run


def test_a_run_builds_upon_the_last_finished_view(warehouse_url: str) -> None:
    load_a_batch(warehouse_url, 4)
    first = build_marts(warehouse_url, see(warehouse_url, "v"))
    assert first.since is None
    cut_off = see(warehouse_url, "v", days=1)
    following = see(warehouse_url, "v", days=2)
    assert cut_off.since == following.since == ledger.Since(first.run_id, MONDAY, 4)
    assert ledger.fix_batches(warehouse_url, following.run_id, view="v").since == following.since


def test_other_models_build_the_view_from_nothing(warehouse_url: str) -> None:
    build_marts(warehouse_url, see(warehouse_url, "v"))
    assert see(warehouse_url, "other").since is None
    assert (
        see(warehouse_url, "v", days=1).since is None
    )  # what the run between has built may be of the others
    assert build_marts(warehouse_url, see(warehouse_url, "v", days=1)).since is None


def test_a_rebuild_and_what_follows_a_run_further_ahead_start_from_nothing(warehouse_url: str) -> None:
    ahead = build_marts(warehouse_url, see(warehouse_url, "v", days=7))
    back = see(warehouse_url, "v", is_rebuild=True)
    assert (ahead.since, back.since) == (None, None)
    assert see(warehouse_url, "v", days=1).since is None
    build_marts(warehouse_url, back)
    assert see(warehouse_url, "v", days=1).since is not None


def test_after_a_mended_mapping_the_view_is_built_from_nothing(warehouse_url: str) -> None:
    load_a_batch(warehouse_url, 4)
    build_marts(warehouse_url, see(warehouse_url, "v"))
    load_a_batch(warehouse_url, 5)
    with warehouse.connect(warehouse_url) as connection:
        connection.execute("update ops.load_batches set replaced_by = 5 where batch_id = 4")
    assert build_marts(warehouse_url, see(warehouse_url, "v", days=1)).since is None
    assert see(warehouse_url, "v", days=2).since is not None


def news(url: str, run: ledger.Run) -> ledger.News:
    with warehouse.connect(url) as connection:
        return ledger.news(connection, run)


def test_a_later_run_without_loads_has_no_news(warehouse_url: str) -> None:
    load_a_batch(warehouse_url, 4)
    first = build_marts(warehouse_url, see(warehouse_url, "v"))
    assert news(warehouse_url, first) == ledger.EVERYTHING
    assert news(warehouse_url, see(warehouse_url, "v", days=1)) == ledger.News()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "update ops.load_batches set rows_read = 1, rows_loaded = 1 where batch_id = 5",
            ledger.News(frozenset({"orders"})),
        ),
        (
            """
            update ops.load_batches set
                rows_read = 1, rows_loaded = 1, stream = 'refunds', latest_time = '2026-07-06 06:00+00'
            where batch_id = 4
            """,
            ledger.News(frozenset({"refunds"})),
        ),
        ("insert into identity.changes values (2, 'a', 'b', 1)", ledger.EVERYTHING),
        ("update ops.runs set config_hash = 'other' where run_id = 2", ledger.EVERYTHING),
    ],
    ids=["a load", "rows that become visible", "somebody is somebody else", "another configuration"],
)
def test_news_is(change: str, expected: ledger.News, warehouse_url: str) -> None:
    load_a_batch(warehouse_url, 4)
    build_marts(warehouse_url, see(warehouse_url, "v"))
    load_a_batch(warehouse_url, 5)
    second = see(warehouse_url, "v", days=1)
    with warehouse.connect(warehouse_url) as connection:
        connection.execute(change)  # type: ignore[arg-type]
    assert news(warehouse_url, read_run(warehouse_url, second.run_id)) == expected


def test_recording_a_layer_again_replaces_its_tests(warehouse_url: str) -> None:
    run = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    other_layer = DataTestResult("unique_orders", "orders", "pass", 0, None, None)
    failed = DataTestResult("not_null_email", "customers", "fail", 3, "an address", "Got 3")
    ledger.record_tests(warehouse_url, run.run_id, "staging", [other_layer])
    ledger.record_tests(warehouse_url, run.run_id, "marts", [failed, other_layer])
    ledger.record_tests(warehouse_url, run.run_id, "marts", [failed])
    with warehouse.connect(warehouse_url) as connection:
        found = connection.execute(
            "select layer, test, status, failures from ops.test_results order by layer"
        ).fetchall()
    assert found == [("marts", "not_null_email", "fail", 3), ("staging", "unique_orders", "pass", 0)]


def test_a_run_that_is_not_there_is_refused(warehouse_url: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no run 99"):
        read_run(warehouse_url, 99)


def test_the_newest_run_is_the_one_opened_last(warehouse_url: str) -> None:
    with warehouse.connect(warehouse_url) as connection:
        assert ledger.newest_run(connection) is None
    ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    last = ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    with warehouse.connect(warehouse_url) as connection:
        assert ledger.newest_run(connection) == last


def test_the_configuration_hash_follows_names_and_content(tmp_path: Path) -> None:
    config = tmp_path / "config"
    (config / "target").mkdir(parents=True)
    (config / "a.yml").write_text("one: 1\n")
    before = ledger.config_hash([config])
    (config / "target" / "manifest.json").write_text("built by dbt")
    assert ledger.config_hash([config]) == before
    (config / "a.yml").rename(config / "b.yml")
    renamed = ledger.config_hash([config])
    (config / "b.yml").write_text("one: 2\n")
    assert len({before, renamed, ledger.config_hash([config])}) == 3
