"""What the tables mean that marketers read beside the marts."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        comment on table segments.members is 'One row per segment and customer who is in it now.';
        comment on column segments.members.segment is 'The name of the view segments.<segment>.';
        comment on column segments.members.customer_id is 'Who is in.';
        comment on column segments.members.reason is 'Why, in one short sentence.';
        comment on table segments.memberships is
            'One row per stay of a customer in a segment; those that go on have no left_at.';
        comment on column segments.memberships.segment is 'The name of the view segments.<segment>.';
        comment on column segments.memberships.customer_id is 'Who is or was in.';
        comment on column segments.memberships.entered_at is
            'The as_of of the run that first saw them in, UTC.';
        comment on column segments.memberships.left_at is
            'The as_of of the run that first missed them, UTC; null while they are in.';
        comment on column segments.memberships.reason is 'Why, when last seen in.';
        """
    )
