"""What became of messages after they were sent."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table activation.message_events (
            message_id uuid not null references activation.messages,
            event text not null
            check (event in (
                'deferred', 'delivered', 'bounced', 'dropped', 'complained',
                'opened', 'clicked', 'unsubscribed'
            )),
            occurred_at timestamptz not null,
            detail text,
            recorded_at timestamptz not null default now(),
            unique nulls not distinct (message_id, event, occurred_at, detail)
        );
        comment on table activation.message_events is
            'One row per thing that happened to a message after it was sent, however often it was reported.';
        comment on column activation.message_events.detail is 'The link of a click, the reason of a bounce.';
        """
    )
