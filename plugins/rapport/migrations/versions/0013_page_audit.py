"""Who looked at whom in the pages, and who downloaded what."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

AUDIT = """
create table ops.page_audit (
    audit_id bigint generated always as identity primary key,
    happened_at timestamptz not null default now(),
    who text not null,
    role text not null,
    action text not null,
    subject text not null,
    detail jsonb not null default '{}'
);
create index page_audit_subject on ops.page_audit (subject, happened_at);
"""


def upgrade() -> None:
    op.execute(AUDIT)
