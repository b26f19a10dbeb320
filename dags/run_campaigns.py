"""Plan every campaign that is due, check that it may go out, and say why where it may not.

Runs on each new customer view, and every morning even if the view could not be built: campaigns are then
held, with the reason. Sending is `send_due`'s work.
"""

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag

from wiring import CUSTOMER_VIEW, DEFAULTS, EDITIONS, asked_for, step


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 7 * * *", timezone="UTC"), assets=CUSTOMER_VIEW
    ),
    tags=["campaigns"],
    doc_md=__doc__,
    **DEFAULTS,
)
def run_campaigns() -> None:
    @step(outlets=[EDITIONS])
    def plan_campaigns(outlet_events: Any = None) -> None:
        from rapport import steps

        waiting = steps.plan_campaigns("run_campaigns", asked_for("run_id"))
        outlet_events[EDITIONS].extra = {"awaiting_approval": waiting}

    plan_campaigns()


run_campaigns()
