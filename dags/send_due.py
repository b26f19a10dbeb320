"""Send what is approved and due: each minute, safe to kill at any moment.

Every limit (consent, suppression, frequency cap, still in the segment) is checked again just before a message
leaves. Does not wait for a run of the customer view, and none waits for it.
"""

from airflow.sdk import dag

from wiring import DEFAULTS, as_of, conf, step


@dag(schedule="* * * * *", tags=["campaigns", "delivery"], doc_md=__doc__, **DEFAULTS)
def send_due() -> None:
    @step
    def send() -> None:
        from rapport import steps

        steps.send_due("send_due", conf().get("run_id"), now=as_of())

    send()


send_due()
