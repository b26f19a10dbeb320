"""Take over what SendGrid's suppression lists gained: bounces, complaints, unsubscribes, invalid addresses.

Each day. The webhook tells of them within seconds, but what it could not deliver for a day is lost; this
catches it. No real mail leaves before the first pull. Does nothing where mails leave another way.
"""

from airflow.sdk import dag

from wiring import DEFAULTS, as_of, conf, step

DAG_ID = "pull_suppressions"


@dag(schedule="15 2 * * *", tags=["campaigns", "delivery"], doc_md=__doc__, **DEFAULTS)
def pull_suppressions() -> None:
    @step
    def pull() -> None:
        from rapport import steps

        steps.pull_suppressions(DAG_ID, conf().get("run_id"), as_of())

    pull()


pull_suppressions()
