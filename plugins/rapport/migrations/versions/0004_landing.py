"""Loading: how far sources were read, which files were hashed, when the last row of a batch can be seen."""

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

create table ops.source_cursors (
    source text not null,
    stream text not null,
    feed text not null,
    cursor jsonb not null,
    updated_at timestamptz not null,
    primary key (source, stream, feed)
);
comment on table ops.source_cursors is
    'How far each feed of a database or an API was read, written in the transaction that loads what it read.';

create table ops.known_files (
    source text not null,
    stream text not null,
    feed text not null,
    file text not null,
    fingerprint text not null,
    file_hash text not null,
    hashed_at timestamptz not null default now(),
    primary key (source, stream, feed, file)
);
comment on table ops.known_files is
    'The hash of a file''s content for as long as its fingerprint (size, times, inode, version) is the same.';
"""


def upgrade() -> None:
    op.execute(OPS)
