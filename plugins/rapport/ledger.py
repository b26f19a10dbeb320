"""The run ledger: what ran, as of when, on which data, and how each step ended.

A run is (as_of, max_batch_id, hash of the configuration). Loads are steps too; those that no run opened
beforehand are taken in by the next one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.rows import class_row

from rapport import earlier_view, warehouse
from rapport.errors import ConfigurationError


@dataclass(frozen=True)
class Run:
    """A row of `ops.runs`. `max_batch_id` is None until the customer view is being built.

    `since` is the run whose view this one brings up to date; None where it builds the view from nothing.
    """

    run_id: int
    as_of: datetime
    max_batch_id: int | None
    config_hash: str
    is_rebuild: bool
    state: str
    message: str | None
    started_at: datetime
    ended_at: datetime | None
    since: "Since | None" = None


@dataclass(frozen=True)
class Since:
    """What an earlier run saw, on whose view a later one builds."""

    run_id: int
    as_of: datetime
    max_batch_id: int


@dataclass(frozen=True)
class News:
    """The streams that have rows which the last view was without; or anything in it may be another now."""

    streams: frozenset[str] = frozenset()
    is_everything: bool = False


EVERYTHING = News(is_everything=True)


@dataclass(frozen=True)
class TaskTry:
    """The try of a task of Airflow that does a step; `map_index` is -1 where it is not mapped."""

    dag_run_id: str
    task_id: str
    map_index: int | None
    try_number: int


@dataclass
class StepRecord:
    """What a step tells the ledger; fields left None do not apply to it."""

    rows_read: int | None = None
    rows_loaded: int | None = None
    rows_duplicate: int | None = None
    rows_rejected: int | None = None
    rows_out: int | None = None
    message: str | None = None


@dataclass(frozen=True)
class TestResult:
    """How one dbt test ended. `failures` counts rows; `owner` is who answers for what is tested."""

    test: str
    model: str | None
    status: str
    failures: int | None
    description: str | None
    message: str | None
    owner: str | None = None


def config_hash(folders: Sequence[Path]) -> str:
    """A hash of every file under the folders, by relative name and content."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "target" not in path.parts and "logs" not in path.parts:
                digest.update(f"{path.relative_to(folder)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def open_run(url: str, *, as_of: datetime, config: str, is_rebuild: bool = False) -> Run:
    """Begin a run and take in the loads since the last one. Runs that were cut off become `interrupted`.

    Raises:
        ConfigurationError: `as_of` is earlier than the last run's and no rebuild was asked for.
    """
    with warehouse.connect(url) as connection:
        last_as_of = connection.execute(
            "select as_of from ops.runs where state = 'succeeded' order by run_id desc limit 1"
        ).fetchone()
        if last_as_of is not None and as_of < last_as_of[0] and not is_rebuild:
            raise ConfigurationError(
                f"as_of {as_of:%Y-%m-%dT%H:%M:%SZ} is earlier than the last run's "
                f"{last_as_of[0]:%Y-%m-%dT%H:%M:%SZ}; add --rebuild to go back in time"
            )
        connection.execute(
            """
            update ops.run_steps set state = 'interrupted', ended_at = now()
            where state = 'running' and run_id in (select run_id from ops.runs where state = 'running')
            """
        )
        connection.execute(
            "update ops.runs set state = 'interrupted', ended_at = now() where state = 'running'"
        )
        row = connection.execute(
            """
            insert into ops.runs (as_of, config_hash, is_rebuild, state)
            values (%s, %s, %s, 'running') returning run_id
            """,
            [as_of, config, is_rebuild],
        ).fetchone()
        assert row is not None
        connection.execute(
            "update ops.run_steps set run_id = %s where run_id is null and state <> 'running'", row
        )
        return run(connection, row[0])


def fix_batches(url: str, run_id: int, *, view: str, max_batch_id: int | None = None) -> Run:
    """Decide, once, what the run may see, every load that has been committed by now, and what it builds upon.

    Loads take their batch id in commit order, so no smaller id can appear later. `view` is a hash of what the
    customer view is built with. `max_batch_id` lets a run that repeats another see no more than that one did.
    """
    with warehouse.connect(url) as connection:
        is_first = connection.execute(
            """
            update ops.runs
            set
                max_batch_id = coalesce(
                    %(max_batch_id)s, (select max(batch_id) from ops.load_batches), 0
                ),
                view_hash = %(view)s
            where run_id = %(run)s and max_batch_id is null
            """,
            {"run": run_id, "view": view, "max_batch_id": max_batch_id},
        ).rowcount
        if is_first:
            earlier_view.choose(connection, run_id)
        return run(connection, run_id)


def news(connection: psycopg.Connection, newest: Run) -> News:
    """What the view that the run builds upon was without: loads, rows that have become visible, somebody who
    is somebody else, another configuration or project, exchange rates included.
    """
    if newest.since is None or newest.config_hash != run(connection, newest.since.run_id).config_hash:
        return EVERYTHING
    since = {
        "max_batch_id": newest.max_batch_id,
        "since_batch_id": newest.since.max_batch_id,
        "since_as_of": newest.since.as_of,
        "since_run_id": newest.since.run_id,
    }
    others = connection.execute(
        "select exists (select from identity.changes where run_id > %(since_run_id)s)", since
    ).fetchone()
    if others is not None and others[0]:
        return EVERYTHING
    streams = connection.execute(
        """
        select distinct stream from ops.load_batches
        where batch_id <= %(max_batch_id)s
            and (batch_id > %(since_batch_id)s or latest_time >= %(since_as_of)s)
            and rows_loaded > 0
        """,
        since,
    ).fetchall()
    return News(frozenset(stream for (stream,) in streams))


@contextmanager
def step(
    url: str, run_id: int | None, dag: str, name: str, task: TaskTry | None = None
) -> Iterator[StepRecord]:
    """Record a step while it works; if it raises, it and its run are recorded as failed.

    A step is at work once at a time: what an earlier, killed try left as running becomes `interrupted`.
    """
    with warehouse.connect(url) as connection:
        connection.execute(
            """
            update ops.run_steps set state = 'interrupted', ended_at = now()
            where dag = %s and step = %s and state = 'running'
            """,
            [dag, name],
        )
        row = connection.execute(
            """
            insert into ops.run_steps (
                run_id, dag, step, state, dag_run_id, task_id, map_index, try_number
            )
            values (%s, %s, %s, 'running', %s, %s, %s, %s) returning step_id
            """,
            [run_id, dag, name, *(astuple(task) if task else (None,) * 4)],
        ).fetchone()
    assert row is not None
    record = StepRecord()
    try:
        yield record
    except Exception as error:
        record.message = str(error)
        _end_step(url, row[0], "failed", record)
        raise
    _end_step(url, row[0], "succeeded", record)


def close_run(url: str, run_id: int) -> Run:
    """End the run: failed if the last try of any of its steps failed, else succeeded."""
    with warehouse.connect(url) as connection:
        connection.execute(
            """
            update ops.runs
            set
                ended_at = now(),
                state = case when exists (
                    select from (
                        select distinct on (dag, step) state
                        from ops.run_steps
                        where run_id = %(run)s
                        order by dag, step, step_id desc
                    ) as last_tries
                    where state = 'failed'
                ) then 'failed' else 'succeeded' end
            where run_id = %(run)s
            """,
            {"run": run_id},
        )
        return run(connection, run_id)


def record_tests(url: str, run_id: int, layer: str, results: Sequence[TestResult]) -> None:
    """Replace what is known of the layer's tests in this run."""
    with warehouse.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("delete from ops.test_results where run_id = %s and layer = %s", [run_id, layer])
        cursor.executemany(
            """
            insert into ops.test_results (
                run_id, layer, test, model, status, failures, description, message, owner
            )
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [(run_id, layer, *astuple(result)) for result in results],
        )


def run(connection: psycopg.Connection, run_id: int) -> Run:
    """The run with this id.

    Raises:
        ConfigurationError: there is none.
    """
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        found = cursor.execute(
            """
            select run_id, as_of, max_batch_id, config_hash, is_rebuild, state, message, started_at, ended_at
            from ops.runs where run_id = %s
            """,
            [run_id],
        ).fetchone()
    if found is None:
        raise ConfigurationError(f"there is no run {run_id}; `rapport status` shows the last one")
    with connection.cursor(row_factory=class_row(Since)) as cursor:
        since = cursor.execute(
            """
            select since.run_id, since.as_of, since.max_batch_id
            from ops.runs
            inner join ops.runs as since on runs.since_run_id = since.run_id
            where runs.run_id = %s
            """,
            [run_id],
        ).fetchone()
    return replace(found, since=since)


def newest_view(connection: psycopg.Connection) -> Run | None:
    """The newest run that has built the customer view, or has failed to; None before the first."""
    row = connection.execute(
        """
        select max(runs.run_id)
        from ops.runs
        left join ops.run_steps
            on runs.run_id = run_steps.run_id
            and run_steps.step = 'record_memberships'
            and run_steps.state = 'succeeded'
        where runs.max_batch_id is not null and (run_steps.run_id is not null or runs.state = 'failed')
        """
    ).fetchone()
    return run(connection, row[0]) if row is not None and row[0] is not None else None


def newest_run(connection: psycopg.Connection) -> Run | None:
    """The run that was opened last, or None before the first."""
    row = connection.execute("select max(run_id) from ops.runs").fetchone()
    return run(connection, row[0]) if row is not None and row[0] is not None else None


def _end_step(url: str, step_id: int, state: str, record: StepRecord) -> None:
    with warehouse.connect(url) as connection:
        connection.execute(
            """
            update ops.run_steps
            set
                state = %s, ended_at = now(), rows_read = %s, rows_loaded = %s,
                rows_duplicate = %s, rows_rejected = %s, rows_out = %s, message = %s
            where step_id = %s
            """,
            [
                state,
                record.rows_read,
                record.rows_loaded,
                record.rows_duplicate,
                record.rows_rejected,
                record.rows_out,
                record.message,
                step_id,
            ],
        )
        if state == "failed":
            connection.execute(
                """
                update ops.runs set state = 'failed', message = coalesce(message, %s)
                where run_id = (select run_id from ops.run_steps where step_id = %s)
                """,
                [record.message, step_id],
            )
