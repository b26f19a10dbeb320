"""Tell stakeholders by mail whether last night went well: what the Today page says, to those whom
config/digest.yml lists.

Every morning, after the night's run, and to each once a day however often this runs. A night without a run is
told, too. A mail that could not be sent is tried again, and fails this DAG alone.
"""

from airflow.sdk import dag

from wiring import DEFAULTS, as_of, step


@dag(schedule="30 7 * * *", tags=["delivery"], doc_md=__doc__, **DEFAULTS)
def daily_digest() -> None:
    @step
    def send_digest() -> str:
        from rapport import steps
        from rapport.errors import SourceUnavailable

        sent = steps.send_digest(as_of())
        if sent.faults:
            raise SourceUnavailable(sent.sentence())
        return sent.sentence()

    send_digest()


daily_digest()
