"""Loading: when the last row of a batch can become visible."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OPS = """
alter table ops.load_batches add column latest_time timestamptz;
comment on column ops.load_batches.latest_time is
    'The latest time in any row of the batch, but for the agreed end of a consent: a run as of a later time '
    'sees all that the batch brought. Null where no row is good.';
"""


def upgrade() -> None:
    op.execute(OPS)
