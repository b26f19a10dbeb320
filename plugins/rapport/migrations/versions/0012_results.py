"""Where results find what happened since a time."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEXES = """
create index message_events_occurred on activation.message_events using brin (occurred_at)
with (pages_per_range = 16);
"""


def upgrade() -> None:
    op.execute(INDEXES)
