"""Which run a step works on, where DAGs overlap."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rapport import ledger, steps, warehouse

MONDAY = datetime(2026, 6, 29, 6, tzinfo=UTC)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, warehouse_url: str) -> None:
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path))
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", warehouse_url)


def state(url: str, run_id: int) -> str:
    with warehouse.connect(url) as connection:
        return ledger.run(connection, run_id).state


def planned(url: str) -> int:
    with warehouse.connect(url) as connection:
        row = connection.execute(
            "select count(*) from ops.run_steps where step = 'plan_campaigns'"
        ).fetchone()
    return row[0] if row is not None else 0


def built_run(url: str) -> int:
    run_id = steps.open_run(MONDAY, None, is_rebuild=False)
    with ledger.step(url, run_id, "build_customer_view", "record_memberships"):
        pass
    return run_id


def test_before_the_first_view_there_is_nothing_to_plan(warehouse_url: str) -> None:
    steps.plan_campaigns("run_campaigns", None)
    ledger.open_run(warehouse_url, as_of=MONDAY, config="c")
    steps.plan_campaigns("run_campaigns", None)
    assert planned(warehouse_url) == 0


def test_planning_is_left_to_a_newer_view_that_is_being_built(warehouse_url: str) -> None:
    built = built_run(warehouse_url)
    with warehouse.connect(warehouse_url) as connection:
        connection.execute(
            "insert into ops.runs (as_of, config_hash, state) values (%s, 'c', 'running')", [MONDAY]
        )
    steps.plan_campaigns("run_campaigns", built)
    assert planned(warehouse_url) == 0
    assert state(warehouse_url, built) == "succeeded"


def test_campaigns_on_the_clock_leave_a_view_that_is_being_built_alone(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rapport.campaigns import planning

    seen: list[int] = []
    monkeypatch.setattr(planning, "plan_campaigns", lambda url, run, settings: seen.append(run.run_id) or [])
    steps.open_run(MONDAY, None, is_rebuild=False)
    steps.plan_campaigns("run_campaigns", None)
    assert seen == []


def test_campaigns_on_the_clock_are_planned_on_the_newest_view(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rapport.campaigns import planning

    seen: list[int] = []
    monkeypatch.setattr(planning, "plan_campaigns", lambda url, run, settings: seen.append(run.run_id) or [])
    built = built_run(warehouse_url)
    steps.plan_campaigns("run_campaigns", None)
    assert seen == [built]
    assert state(warehouse_url, built) == "succeeded"


def test_campaigns_on_the_clock_are_planned_and_so_held_where_the_view_failed(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rapport.campaigns import planning

    seen: list[int] = []
    monkeypatch.setattr(planning, "plan_campaigns", lambda url, run, settings: seen.append(run.run_id) or [])
    built_run(warehouse_url)
    failed = steps.open_run(MONDAY, None, is_rebuild=False)
    with (
        pytest.raises(RuntimeError),
        ledger.step(warehouse_url, failed, "build_customer_view", "build_marts"),
    ):
        raise RuntimeError("no room")
    steps.plan_campaigns("run_campaigns", None)
    assert seen == [failed]
    assert state(warehouse_url, failed) == "failed"
