"""Support tickets and what happened to them.

One task a feed in config/sources/ that fills `ticket_versions` or `ticket_events`. Files already loaded
are skipped, so a run with nothing new costs a moment and still tells the customer view that it happened.
"""

from airflow.sdk import dag

from wiring import DEFAULTS, SUPPORT_TICKETS, load_streams


@dag(schedule="10 * * * *", tags=["ingest", "support"], doc_md=__doc__, **DEFAULTS)
def ingest_support_tickets() -> None:
    load_streams(("ticket_versions", "ticket_events"), outlet=SUPPORT_TICKETS)


ingest_support_tickets()
