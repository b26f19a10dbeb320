"""Rows of a batch are found in fewer pages: some lie in the holes of old ones, far from the others."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STREAMS = (
    "orders",
    "order_lines",
    "refunds",
    "web_events",
    "ticket_versions",
    "ticket_events",
    "survey_responses",
    "contacts",
    "consents",
    "companies",
    "deals",
)


def upgrade() -> None:
    for stream in STREAMS:
        index = f"{stream}_batch_id"
        op.execute(f"drop index raw.{index}")
        op.execute(f"create index {index} on raw.{stream} using brin (batch_id) with (pages_per_range = 16)")
