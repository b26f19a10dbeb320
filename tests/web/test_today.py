"""What the Today page and the digest tell of a run."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rapport import ledger, night, report, warehouse
from rapport.ledger import TaskTry
from rapport.report import Step

AS_OF = datetime(2026, 7, 1, 6, tzinfo=UTC)
TASK = TaskTry("scheduled__2026-07-01T05:00:00+00:00", "load", 3, 2)


def opened(url: str, as_of: datetime = AS_OF) -> int:
    return ledger.open_run(url, as_of=as_of, config="x").run_id


def loaded(url: str, run_id: int, feed: str, read: int, new: int, rejected: int) -> None:
    with ledger.step(url, run_id, "ingest_orders", feed, TASK) as record:
        record.rows_read, record.rows_loaded, record.rows_duplicate = read, new, read - new - rejected
        record.rows_rejected = rejected


def told(url: str, run_id: int) -> tuple[report.RunReport, list[night.FailedCheck]]:
    with warehouse.connect(url) as connection:
        run = ledger.run(connection, run_id)
        return report.run_report(connection, run), night.failed_checks(connection, run_id)


def test_the_strip_counts_what_came_in_what_is_new_and_what_was_rejected(warehouse_url: str) -> None:
    run_id = opened(warehouse_url)
    loaded(warehouse_url, run_id, "orders", 100, 90, 4)
    loaded(warehouse_url, run_id, "refunds", 7, 7, 0)
    with ledger.step(warehouse_url, run_id, "build_customer_view", "resolve_identity") as record:
        record.rows_out = 55
    stages = {stage.name: stage for stage in night.stages(*told(warehouse_url, run_id))}
    load = stages["Load"]
    assert (load.rows_in, load.rows_out, load.rejected, load.state) == (107, 97, 4, "succeeded")
    assert (stages["Who is who"].rows_out, stages["Who is who"].unit_out) == (55, "customers")
    assert stages["Send"].state == "waiting"
    assert stages["Send"].seconds is None


def test_a_stage_is_as_bad_as_its_worst_step_and_a_second_try_heals_the_first(warehouse_url: str) -> None:
    run_id = opened(warehouse_url)
    with (
        pytest.raises(OSError, match="gone"),
        ledger.step(warehouse_url, run_id, "ingest_orders", "orders"),
    ):
        raise OSError("gone")
    loaded(warehouse_url, run_id, "refunds", 1, 1, 0)
    assert night.stages(*told(warehouse_url, run_id))[0].state == "failed"
    loaded(warehouse_url, run_id, "orders", 1, 1, 0)
    first, failed = told(warehouse_url, run_id)
    assert night.stages(first, failed)[0].state == "succeeded"
    assert [step.step for step in night.loads(first)] == ["orders", "refunds"]


def test_a_failed_check_is_told_with_its_meaning_and_its_owner(warehouse_url: str) -> None:
    run_id = opened(warehouse_url)
    result = ledger.TestResult(
        "no_order_is_lost", None, "fail", 3, "Every order is there.", "Got 3", "finance"
    )
    fine = replace(result, test="fine", status="pass")
    ledger.record_tests(warehouse_url, run_id, "marts", [result, fine])
    with ledger.step(warehouse_url, run_id, "build_customer_view", "build_marts"):
        pass
    first, failed = told(warehouse_url, run_id)
    assert [(check.test, check.description, check.owner) for check in failed] == [
        ("no_order_is_lost", "Every order is there.", "finance")
    ]
    stages = {stage.name: stage for stage in night.stages(first, failed)}
    assert stages["Customer view"].failed_checks == 1
    assert stages["Segments"].failed_checks == 0


def test_a_step_leads_to_the_log_of_the_task_that_did_it(warehouse_url: str) -> None:
    run_id = opened(warehouse_url)
    loaded(warehouse_url, run_id, "orders", 1, 1, 0)
    with ledger.step(warehouse_url, run_id, "tidy", "tidy"):
        pass
    by_task, by_hand = told(warehouse_url, run_id)[0].steps
    assert night.task_log("/rapport", by_task) == (
        "/dags/ingest_orders/runs/scheduled__2026-07-01T05%3A00%3A00%2B00%3A00/tasks/load/mapped/3?try_number=2"
    )
    assert "/mapped" not in str(night.task_log("/rapport", replace(by_task, map_index=-1)))
    assert str(night.task_log("/airflow/rapport", by_task)).startswith("/airflow/dags/")
    assert night.task_log("/rapport", by_hand) is None


def test_thirty_days_end_with_the_newest_and_each_is_as_its_last_run(warehouse_url: str) -> None:
    def ran(day: int, state: str, hour: int = 6) -> int:
        run_id = opened(warehouse_url, datetime(2026, 6, day, hour, tzinfo=UTC))
        with warehouse.connect(warehouse_url) as connection:
            connection.execute(
                "update ops.runs set state = %s, ended_at = now() where run_id = %s", [state, run_id]
            )
        return run_id

    ran(1, "succeeded")
    first = ran(2, "succeeded")
    ran(20, "failed", 5)
    mended = ran(20, "succeeded", 23)
    bad = ran(30, "failed")
    with warehouse.connect(warehouse_url) as connection:
        days = night.history(connection, datetime(2026, 7, 1, 4, tzinfo=UTC))
    by_day = {f"{day.day:%m-%d}": day for day in days}
    assert (len(days), min(by_day), max(by_day)) == (30, "06-02", "07-01")
    assert {name: (day.run_id, day.tone) for name, day in by_day.items() if day.run_id} == {
        "06-02": (first, "good"),
        "06-20": (mended, "busy"),
        "06-30": (bad, "bad"),
    }
    assert by_day["07-01"].tone == "none"


def test_the_log_in_words_needs_no_task_of_airflow(warehouse_url: str) -> None:
    """Rows that a release before this one wrote have none."""
    step = Step("tidy", "tidy", "succeeded", *[None] * 5, None, 1.0, None, None, None, None)
    assert night.task_log("/rapport", step) is None
