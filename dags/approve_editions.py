"""Ask a person, in Airflow, whether an edition may be sent: how many get it, how many not and why.

An answer here is worth what one on the page or the command line is, and is of the edition as it was planned.
Without one nothing is sent. Not a part of `rapport run`, in which nothing waits for a person.
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import dag

from wiring import DEFAULTS, EDITIONS, news, permanent_errors_fail, step

APPROVE, REJECT = "Approve", "Reject"
SEVERAL = 16  # runs; each lasts until its questions are answered


class Approval(HITLOperator):
    """Waits for the answer about one edition, then decides."""

    template_fields = ()

    def __init__(self, *, edition_id: str, edition_hash: str, seconds: float, **options: Any) -> None:
        super().__init__(response_timeout=timedelta(seconds=seconds), **options)
        self.edition_id = edition_id
        self.edition_hash = edition_hash

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        from rapport import steps

        answer = super().execute_complete(context, event)
        person = answer["responded_by_user"]
        if person is not None:  # else its time was up
            is_approved = answer["chosen_options"] == [APPROVE]
            with permanent_errors_fail():
                steps.decide(self.edition_id, self.edition_hash, is_approved, by=person["name"])
        return answer


@dag(
    schedule=[EDITIONS],
    tags=["campaigns"],
    doc_md=__doc__,
    **{**DEFAULTS, "max_active_runs": SEVERAL},
)
def approve_editions() -> None:
    @step
    def find_questions() -> list[dict[str, Any]]:
        from rapport import steps

        return [asdict(question) for question in steps.open_questions(news("awaiting_approval"))]

    Approval.partial(task_id="ask", options=[APPROVE, REJECT], defaults=REJECT).expand_kwargs(
        find_questions()
    )


approve_editions()
