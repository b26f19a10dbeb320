"""The DAG folder as Airflow reads it: it imports, it keeps the house rules, it touches nothing meanwhile."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from rapport import steps, warehouse
from rapport.main_job import AFTER_THE_RUN, DAGS, FOR_PEOPLE
from rapport.settings import PROJECT

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> "DagBag":
    # Airflow reads its settings once, when it is first imported.
    os.environ["AIRFLOW_HOME"] = str(tmp_path_factory.mktemp("airflow"))
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(PROJECT / "dags")
    os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(PROJECT / "plugins")
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(PROJECT / "dags"))


def test_every_dag_file_imports(bag: "DagBag") -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {*DAGS, *AFTER_THE_RUN, *FOR_PEOPLE}
    files = {path.stem for path in (PROJECT / "dags").glob("*.py")} - {"wiring"}
    assert files == set(bag.dags), "one file, one DAG, both of one name"


@pytest.mark.parametrize("name", [*DAGS, *AFTER_THE_RUN, *FOR_PEOPLE])
def test_a_dag_says_what_it_is_for_and_can_be_operated(bag: "DagBag", name: str) -> None:
    dag = bag.dags[name]
    assert dag.doc_md is not None
    assert len(dag.doc_md) > 80
    assert dag.tags
    assert not dag.catchup
    # One that waits for people must not keep the next question waiting.
    assert (dag.max_active_runs == 1) == (name not in FOR_PEOPLE)
    for task in dag.tasks:
        assert task.owner == "data-engineering"
        assert task.on_failure_callback, f"{task.task_id} fails in silence"
        if task.task_id != "fail_with_the_feed":
            assert task.retries >= 1


def test_assets_lead_from_each_load_to_the_view_and_from_the_view_to_campaigns(bag: "DagBag") -> None:
    def outlets(name: str) -> set[str]:
        return {asset.name for task in bag.dags[name].tasks for asset in task.outlets}

    def waits_for(name: str) -> set[str]:
        condition = bag.dags[name].timetable.asset_condition
        return {asset.name for asset in getattr(condition, "objects", [condition])}

    loaded = set().union(*(outlets(name) for name in DAGS if name.startswith("ingest_")))
    assert loaded == {"orders", "web_events", "support_tickets", "feedback"}
    assert waits_for("build_customer_view") == loaded
    assert waits_for("run_campaigns") == outlets("build_customer_view") == {"customer_view"}


def test_what_goes_by_the_clock_goes_as_often_as_it_is_said(bag: "DagBag") -> None:
    """Sending each minute; SendGrid's lists daily, for what its webhooks lost."""
    assert bag.dags["send_due"].timetable.expression == "* * * * *"
    minute, hour, *days = bag.dags["pull_suppressions"].timetable.expression.split()
    assert minute.isdecimal()
    assert hour.isdecimal()
    assert days == ["*", "*", "*"]


def test_a_step_is_in_the_ledger_with_the_try_of_the_task_that_did_it(
    bag: "DagBag", warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the page Today leads from the step to its log."""
    import wiring  # the folder of the DAGs is where DagBag looks for modules

    def orders() -> None:
        with steps._recorded(warehouse_url, None, "ingest_orders", "orders"):
            pass

    instance = SimpleNamespace(
        run_id="scheduled__2026-07-01T05:00:00+00:00", task_id="load", map_index=2, try_number=3
    )
    monkeypatch.setattr(wiring, "get_current_context", lambda: {"ti": instance})
    wiring.step(orders).function()
    orders()
    with warehouse.connect(warehouse_url) as connection:
        found = connection.execute(
            "select dag, dag_run_id, task_id, map_index, try_number from ops.run_steps order by step_id"
        ).fetchall()
    assert found == [
        ("ingest_orders", "scheduled__2026-07-01T05:00:00+00:00", "load", 2, 3),
        ("ingest_orders", None, None, None, None),
    ]


def test_importing_the_dags_loads_nothing_heavy_and_opens_no_connection() -> None:
    """The scheduler imports every DAG file every few seconds."""
    program = """
import socket, sys
def refuse(*arguments): raise AssertionError("a DAG file opened a connection while being imported")
socket.socket.connect = refuse
before = set(sys.modules)
import airflow.sdk, airflow.sdk.exceptions, airflow.providers.standard.operators.hitl
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable
with_airflow = set(sys.modules)
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import importlib, pathlib
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.py")):
    importlib.import_module(path.stem)
heavy = {name.partition(".")[0] for name in set(sys.modules) - with_airflow}
print(sorted(heavy & {"pandas", "pyarrow", "psycopg", "dbt", "scipy", "numpy", "rapport", "pydantic"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(PROJECT / "dags"), str(PROJECT / "plugins")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_airflow_registers_no_module_of_ours_under_its_bare_file_name(bag: "DagBag") -> None:
    import email

    from airflow import plugins_manager

    plugins_manager.ensure_plugins_loaded()
    assert sys.modules["email"] is email
    assert "/lib/python" in (email.__file__ or "")
    assert not [name for name in ("ledger", "steps", "warehouse", "env") if name in sys.modules]


@pytest.mark.parametrize(
    ("option", "person", "decided"),
    [
        ("Approve", {"id": "7", "name": "mia"}, [("weekly/1", "h", True, "mia")]),
        ("Reject", {"id": "7", "name": "mia"}, [("weekly/1", "h", False, "mia")]),
        ("Reject", None, []),
    ],
    ids=["approved", "rejected", "nobody answered in time"],
)
def test_an_answer_in_airflow_decides_about_the_edition_that_was_asked_about(
    bag: "DagBag",
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    person: dict[str, str] | None,
    decided: list[tuple[str, str, bool, str]],
) -> None:
    told: list[tuple[str, str, bool, str]] = []
    monkeypatch.setattr(
        steps,
        "decide",
        lambda edition, edition_hash, is_approved, by: told.append((edition, edition_hash, is_approved, by)),
    )
    ask = bag.dags["approve_editions"].task_dict["ask"].operator_class(
        task_id="ask", options=["Approve", "Reject"], defaults="Reject",
        edition_id="weekly/1", edition_hash="h", subject="Send it?", body="", seconds=60.0,
    )  # fmt: skip
    assert ask.response_timeout == timedelta(minutes=1)
    event = {
        "chosen_options": [option],
        "params_input": {},
        "responded_by_user": person,
        "responded_at": datetime(2026, 7, 1, tzinfo=UTC),
    }
    ask.execute_complete({}, event)
    assert told == decided
