"""One view of every customer, and who is in which segment.

Runs when something was loaded, and every morning even if nothing was. A run sees exactly what was loaded
when it began (`open_run`), so it can be repeated later and gives the same rows.
"""

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from wiring import CUSTOMER_VIEW, DEFAULTS, FEEDBACK, ORDERS, SUPPORT_TICKETS, WEB_EVENTS, as_of, conf, step

DAG_ID = "build_customer_view"


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 5 * * *", timezone="UTC"),
        assets=(ORDERS | WEB_EVENTS | SUPPORT_TICKETS | FEEDBACK),
    ),
    tags=["customer-view"],
    doc_md=__doc__,
    **DEFAULTS,
)
def build_customer_view() -> None:
    @step
    def open_run() -> int:
        from rapport import steps

        return steps.open_run(
            as_of(),
            conf().get("run_id"),
            is_rebuild=bool(conf().get("rebuild")),
            max_batch_id=conf().get("max_batch_id"),
        )

    @step
    def build_layer(layer: str, run: int) -> None:
        from rapport import steps

        steps.build_layer(DAG_ID, layer, run)

    @step
    def resolve_identity(run: int) -> None:
        from rapport import steps

        steps.resolve_identity(DAG_ID, run)

    @step
    def record_memberships(run: int) -> None:
        from rapport import steps

        steps.record_memberships(DAG_ID, run)

    @task(outlets=[CUSTOMER_VIEW])
    def announce(run: int, outlet_events: Any = None) -> None:
        """Campaigns are planned on this very view."""
        outlet_events[CUSTOMER_VIEW].extra = {"run_id": run}

    run = open_run()
    (
        build_layer.override(task_id="build_staging")("staging", run)
        >> resolve_identity(run)
        >> build_layer.override(task_id="build_marts")("marts", run)
        >> build_layer.override(task_id="build_segments")("segments", run)
        >> record_memberships(run)
        >> announce(run)
    )


build_customer_view()
