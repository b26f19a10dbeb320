"""`rapport run`: the DAGs that the scheduler runs, one after another in this process.

Airflow's `dag.test()` executes the same DAG files with the same tasks. It leaves asset events behind, so
these runs keep a metadata database of their own, in which no scheduler looks.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rapport import ledger, steps, warehouse
from rapport.airflow_environment import SHARED
from rapport.errors import ConfigurationError, DiskFull
from rapport.ledger import Run
from rapport.settings import PROJECT, Settings

DAGS = (
    "ingest_orders",
    "ingest_web_events",
    "ingest_support_tickets",
    "ingest_feedback",
    "build_customer_view",
    "run_campaigns",
    "pull_suppressions",
    "send_due",
    "tidy",
)
# Beside them the scheduler runs what here is called once the run has ended.
AFTER_THE_RUN = ("daily_digest",)
FOR_PEOPLE = ("approve_editions",)  # `dag.test()` would wait for their answers for ever


def run(
    settings: Settings,
    *,
    as_of: datetime,
    rebuild: bool,
    watcher: steps.Watcher,
    max_batch_id: int | None = None,
) -> Run:
    """Run the pipeline once, as of a moment, and return how it ended. Nothing waits for a person or a retry.

    With `max_batch_id` the customer view is without what was loaded after that batch.

    Raises:
        ConfigurationError: a source file is wrong, or `as_of` goes back in time without a rebuild.
        RunInProgress: another run is at work.
        WarehouseUnavailable, WarehouseTooOld: the warehouse cannot be used.
        DiskFull: nothing of the step that was at work is kept.
    """
    from rapport.sources.configuration import read_feeds

    read_feeds(settings)
    url = warehouse.ensure(settings)
    with disk_errors_named(settings.home), warehouse.run_lock(url):
        warehouse.migrate(url)
        config = ledger.config_hash([settings.config, settings.dbt_project])
        run_id = ledger.open_run(url, as_of=as_of, config=config, is_rebuild=rebuild).run_id
        steps.watchers.append(watcher)
        try:
            with _output_to(settings.home / "logs" / f"run-{run_id}.log"):
                conf = {"run_id": run_id, "as_of": as_of.isoformat(), "rebuild": rebuild}
                _run_dags(settings, {**conf, "max_batch_id": max_batch_id})
        finally:
            steps.watchers.remove(watcher)
        ended = ledger.close_run(url, run_id)
        with _output_to(settings.home / "logs" / f"run-{run_id}.log"):
            steps.send_digest(as_of)
        return ended


@contextmanager
def disk_errors_named(home: Path) -> Iterator[None]:
    """Turn a full disk into `DiskFull`, also where SQLAlchemy says it: Airflow's metadata, a migration."""
    from sqlalchemy.exc import DBAPIError

    try:
        with warehouse.disk_errors_named(str(home)):
            yield
    except DBAPIError as error:
        if not any(words in str(error) for words in ("disk is full", "No space left on device")):
            raise
        raise DiskFull(f"{home}: no space left on the disk; free some room and run again") from error


def _run_dags(settings: Settings, conf: dict[str, object]) -> None:
    os.environ.update(_airflow_environment(settings))
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import check_migrations, initdb, upgradedb

    database = settings.home / "run" / "airflow.db"
    if database.exists():
        try:
            check_migrations(timeout=0)
        except TimeoutError:
            upgradedb()
    else:
        initdb()
    sys.path.insert(0, str(PROJECT / "dags"))
    bag = DagBag(str(PROJECT / "dags"))
    if bag.import_errors:
        file, trace = next(iter(bag.import_errors.items()))
        raise ConfigurationError(f"{file} cannot be imported: {trace.strip().splitlines()[-1]}")
    for name in DAGS:
        for task in bag.dags[name].tasks:
            task.retries = 0
        # A logical date of its own for each: Airflow deletes an earlier run that has the same one.
        bag.dags[name].test(logical_date=datetime.now(UTC), run_conf=conf)


def _airflow_environment(settings: Settings) -> dict[str, str]:
    home = settings.home / "run"
    home.mkdir(parents=True, exist_ok=True)
    return {
        **SHARED,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
    }


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send what Airflow and dbt print to a log file; the terminal belongs to the summary."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
