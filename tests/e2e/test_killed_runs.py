"""kill -9 in every step in turn, each time followed by a new run: the end is that of an undisturbed run."""

import random
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
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
}
SCHEMAS = ("raw", "intermediate", "identity", "marts", "reporting", "segments", "activation")
LEDGER = (("ops", "load_batches"), ("ops", "rejected_records"), ("ops", "test_results"))


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Installation]]:
    """Two homes with the same generated shop and the same key behind the recipient keys."""
    both = []
    for name in ("undisturbed", "killed"):
        home = tmp_path_factory.mktemp(name) / "home"
        both.append(Installation(home, {"RAPPORT_RECIPIENT_KEY": "0123456789abcdef0123456789abcdef"}))
        done = both[-1].rapport("demo-data", "--customers", "200")
        assert done.returncode == 0, done.stderr
    yield both[0], both[1]
    for installation in both:
        installation.stop()


def test_a_run_killed_in_every_step_ends_like_an_undisturbed_one(
    shops: tuple[Installation, Installation],
) -> None:
    undisturbed, killed = shops
    done = undisturbed.rapport("run", "--as-of", AS_OF)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = {step["step"]: step["seconds"] for step in undisturbed.status()["steps"]}
    assert len(steps) >= 16
    chance = random.Random(20260701)
    for step, seconds in steps.items():
        moment = f"{chance.uniform(0.05, 0.7) * seconds:.3f}"
        done = killed.rapport(step, moment, "run", "--as-of", AS_OF, script=KILLED_RUN)
        assert done.returncode == -9, f"{step} was over before {moment} s: {done.stdout}{done.stderr}"
    done = killed.rapport("run", "--as-of", AS_OF)
    assert done.returncode == 0, done.stdout + done.stderr

    with undisturbed.connect() as left, killed.connect() as right:
        for schema, table in tables(left):
            assert rows(left, schema, table) == rows(right, schema, table), f"{schema}.{table} differs"
        assert tables(left) == tables(right)
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
    return [*LEDGER, *((schema, name) for schema, name in found)]


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
