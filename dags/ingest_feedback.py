"""Survey answers, what the CRM knows (contacts, companies, deals) and consents.

One task a feed in config/sources/ that fills one of these streams. Files already
loaded are skipped, so a run with nothing new costs a moment and still tells the customer view so.
"""

from airflow.sdk import dag

from wiring import DEFAULTS, FEEDBACK, load_streams


@dag(schedule="20 * * * *", tags=["ingest", "feedback"], doc_md=__doc__, **DEFAULTS)
def ingest_feedback() -> None:
    load_streams(("survey_responses", "contacts", "companies", "deals", "consents"), outlet=FEEDBACK)


ingest_feedback()
