"""Visits: what people looked at, put in a cart and bought.

One task a feed in config/sources/ that fills `web_events`. Files already loaded
are skipped, so a run with nothing new costs a moment and still tells the customer view that it happened.
"""

from airflow.sdk import dag

from wiring import DEFAULTS, WEB_EVENTS, load_streams


@dag(schedule="*/15 * * * *", tags=["ingest", "web"], doc_md=__doc__, **DEFAULTS)
def ingest_web_events() -> None:
    load_streams(("web_events",), outlet=WEB_EVENTS)


ingest_web_events()
