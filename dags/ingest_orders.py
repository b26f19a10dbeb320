"""Orders, their lines and refunds, from every shop.

One task a feed in config/sources/ that fills `orders`, `order_lines` or `refunds`. Files already loaded
are skipped, so a run with nothing new costs a moment and still tells the customer view that it happened.
"""

from airflow.sdk import dag

from wiring import DEFAULTS, ORDERS, load_streams


@dag(schedule="5 * * * *", tags=["ingest", "orders"], doc_md=__doc__, **DEFAULTS)
def ingest_orders() -> None:
    load_streams(("orders", "order_lines", "refunds"), outlet=ORDERS)


ingest_orders()
