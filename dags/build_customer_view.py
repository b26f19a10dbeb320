"""One view of every customer, and who is in which segment.

Runs when something was loaded, and every morning even if nothing was. A run sees exactly what was loaded
when it began (`open_run`), so it can be repeated later and gives the same rows.
"""

from airflow.sdk import dag, task
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable

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

        return steps.open_run(as_of(), conf().get("run_id"), is_rebuild=bool(conf().get("rebuild")))

    @step
    def build_layer(layer: str, run_id: int) -> None:
        from rapport import steps

        steps.build_layer(DAG_ID, layer, run_id)

    @step
    def resolve_identity(run_id: int) -> None:
        from rapport import steps

        steps.resolve_identity(DAG_ID, run_id)

    @step
    def record_memberships(run_id: int) -> None:
        from rapport import steps

        steps.record_memberships(DAG_ID, run_id)

    @task(outlets=[CUSTOMER_VIEW])
    def announce() -> None:
        """Campaigns are planned on the new view."""

    run_id = open_run()
    (
        build_layer.override(task_id="build_staging")("staging", run_id)
        >> resolve_identity(run_id)
        >> build_layer.override(task_id="build_marts")("marts", run_id)
        >> build_layer.override(task_id="build_segments")("segments", run_id)
        >> record_memberships(run_id)
        >> announce()
    )


build_customer_view()
