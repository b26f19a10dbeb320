"""The DAG folder as Airflow reads it: it imports, it keeps the house rules, it touches nothing meanwhile."""

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rapport.main_job import AFTER_THE_RUN, DAGS
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
    assert set(bag.dags) == {*DAGS, *AFTER_THE_RUN}
    files = {path.stem for path in (PROJECT / "dags").glob("*.py")} - {"wiring"}
    assert files == set(bag.dags), "one file, one DAG, both of one name"


@pytest.mark.parametrize("name", [*DAGS, *AFTER_THE_RUN])
def test_a_dag_says_what_it_is_for_and_can_be_operated(bag: "DagBag", name: str) -> None:
    dag = bag.dags[name]
    assert dag.doc_md is not None
    assert len(dag.doc_md) > 80
    assert dag.tags
    assert not dag.catchup
    assert dag.max_active_runs == 1
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


def test_importing_the_dags_loads_nothing_heavy_and_opens_no_connection() -> None:
    """The scheduler imports every DAG file every few seconds."""
    program = """
import socket, sys
def refuse(*arguments): raise AssertionError("a DAG file opened a connection while being imported")
socket.socket.connect = refuse
before = set(sys.modules)
import airflow.sdk, airflow.sdk.exceptions
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
