"""Notes of changes go when no run can ask for them any more, and not before."""

from datetime import UTC, datetime, timedelta

import psycopg

from rapport import change_notes, ledger, warehouse

MONDAY = datetime(2026, 6, 29, 6, tzinfo=UTC)


def noted(url: str, day: int, *, finishes: bool = True) -> int:
    """A run that notes a change in each of the tables."""
    opened = ledger.open_run(url, as_of=MONDAY + timedelta(days=day), config="c")
    run_id = ledger.fix_batches(url, opened.run_id, view="v").run_id
    with warehouse.connect(url) as connection:
        for note in (
            "insert into ops.removed_keys values (%s, 'line', '[]')",
            "insert into ops.removed_facts values (%s, 'c_1')",
            "insert into identity.identifier_changes values (%s, 'email', '', 'a@b.example', 1, null, 'c_1')",
        ):
            connection.execute(note, [run_id])
    if finishes:
        with ledger.step(url, run_id, "build_customer_view", "build_marts"):
            pass
        ledger.close_run(url, run_id)
    return run_id


def runs_with_notes(connection: psycopg.Connection) -> list[int]:
    rows = connection.execute(
        """
        select run_id from ops.removed_keys
        union select run_id from ops.removed_facts
        union select run_id from identity.identifier_changes
        order by run_id
        """
    )
    return [run_id for (run_id,) in rows]


def test_notes_up_to_the_view_that_the_newest_one_builds_upon_go(warehouse_url: str) -> None:
    for day in range(3):
        noted(warehouse_url, day)
    with warehouse.connect(warehouse_url) as connection:
        assert change_notes.any_needless(connection)
        assert change_notes.remove_needless(connection) == 6
        assert runs_with_notes(connection) == [3]
        assert not change_notes.any_needless(connection)


def test_what_a_run_at_work_or_one_that_was_cut_off_builds_upon_stays(warehouse_url: str) -> None:
    noted(warehouse_url, 0)
    noted(warehouse_url, 1)
    noted(warehouse_url, 2, finishes=False)
    with warehouse.connect(warehouse_url) as connection:
        assert change_notes.remove_needless(connection) == 3
        assert runs_with_notes(connection) == [2, 3]


def test_what_a_run_needs_that_was_overtaken_stays_while_it_works(warehouse_url: str) -> None:
    noted(warehouse_url, 0)
    late = noted(warehouse_url, 1, finishes=False)
    noted(warehouse_url, 2)
    noted(warehouse_url, 3)
    with warehouse.connect(warehouse_url) as connection:
        connection.execute("update ops.runs set state = 'running' where run_id = %s", [late])
        assert change_notes.remove_needless(connection) == 3
        assert runs_with_notes(connection) == [2, 3, 4]
        connection.execute("update ops.runs set state = 'interrupted' where run_id = %s", [late])
        assert change_notes.remove_needless(connection) == 6
        assert runs_with_notes(connection) == [4]


def test_before_the_first_view_everything_stays(warehouse_url: str) -> None:
    noted(warehouse_url, 0, finishes=False)
    with warehouse.connect(warehouse_url) as connection:
        assert not change_notes.any_needless(connection)
        assert change_notes.remove_needless(connection) == 0
