"""Runs killed with SIGKILL, and the comparison of what they leave with what an undisturbed run leaves."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from installation import Installation
from psycopg import sql

AS_OF = "2026-07-01T06:00:00+00:00"
KILLED_RUN = Path(__file__).parent / "killed_run.py"
# What says when or by which run a row came, and where this installation keeps its files.
RUN_COLUMNS = {
    "run_id",
    "created_run_id",
    "loaded_at",
    "started_at",
    "planned_at",
    "claimed_at",
    "accepted_at",
    "created_at",
    "rejected_at",
    "rejected_id",
    "file",
    "attempt_id",
    "assigned_at",
}
# An attempt is of a process, and one that was killed leaves one more; the mark says which database this is.
OF_A_PROCESS = {("activation", "attempts"), ("activation", "warehouse_mark")}
# What changed since the earlier view, as int_changed_… do: where a run was killed after it had built its
# view, that is the earlier one.
SINCE_THE_EARLIER_VIEW = {("intermediate", "int_journey_steps")}
SCHEMAS = ("raw", "intermediate", "identity", "marts", "reporting", "segments", "activation")
LEDGER = (("ops", "load_batches"), ("ops", "rejected_records"))


def shop(installation: Installation, customers: int = 200) -> Installation:
    """The installation with a generated shop's files."""
    done = installation.rapport("demo-data", "--customers", str(customers))
    assert done.returncode == 0, done.stderr
    return installation


def kill_in_steps(
    undisturbed: Installation, killed: Installation, chosen: Callable[[dict[str, Any]], bool]
) -> list[str]:
    """Kill a run in each step that is chosen of the undisturbed one's, in turn; then let one end."""
    steps = [step for step in undisturbed.status()["steps"] if chosen(step)]
    chance = random.Random(20260701)
    for step in steps:
        moment = f"{chance.uniform(0.05, 0.7) * step['seconds']:.3f}"
        done = killed.rapport(step["step"], moment, "run", "--as-of", AS_OF, script=KILLED_RUN)
        assert done.returncode == -9, f"{step['step']} was over before {moment} s: {done.stdout}{done.stderr}"
    done = killed.rapport("run", "--as-of", AS_OF)
    assert done.returncode == 0, done.stdout + done.stderr
    return [step["step"] for step in steps]


def assert_equal(undisturbed: Installation, killed: Installation) -> None:
    """Both homes hold the same tables, row by row, and the same mails, byte by byte."""
    with undisturbed.connect() as left, killed.connect() as right:
        assert tables(left) == tables(right)
        for schema, table in tables(left):
            assert rows(left, schema, table) == rows(right, schema, table), f"{schema}.{table} differs"
    assert undisturbed.mails()
    assert undisturbed.mails() == killed.mails()


def tables(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """Every table and view that a run writes, as (schema, name)."""
    found = connection.execute(
        """
        select table_schema, table_name from information_schema.tables
        where table_schema = any(%s) order by 1, 2
        """,
        [list(SCHEMAS)],
    ).fetchall()
    kept = [table for table in found if not table[1].startswith("int_changed_")]
    return [*LEDGER, *(table for table in kept if table not in (*OF_A_PROCESS, *SINCE_THE_EARLIER_VIEW))]


def rows(connection: psycopg.Connection, schema: str, table: str) -> list[tuple[str, ...]]:
    """The rows but for their run columns, as text, in an order of their own."""
    columns = connection.execute(
        """
        select column_name from information_schema.columns
        where table_schema = %s and table_name = %s order by ordinal_position
        """,
        [schema, table],
    ).fetchall()
    compared = [sql.Identifier(name) for (name,) in columns if name not in RUN_COLUMNS]
    query = sql.SQL("select ({})::text from {}").format(
        sql.SQL("row({})").format(sql.SQL(", ").join(compared)), sql.Identifier(schema, table)
    )
    return sorted(connection.execute(query).fetchall())
