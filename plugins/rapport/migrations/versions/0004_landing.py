"""Landing: batches, cursors, files that were hashed, held batches, rejected rows, columns of a source."""

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

create table ops.vanished_files (
    source text not null,
    stream text not null,
    feed text not null,
    file text not null,
    noticed_at timestamptz not null default clock_timestamp(),
    primary key (source, stream, feed, file)
);
comment on table ops.vanished_files is
    'Files that were loaded and are not among their feed''s files any more. What they brought stays.';
"""

REREADING = """
alter table ops.load_batches
    add column delivery bigint not null,
    add column revision integer not null default 0,
    add column replaced_by bigint references ops.load_batches deferrable initially deferred;
comment on column ops.load_batches.delivery is
    'By it the newest delivery is told: the batch''s own id, or that of the batch whose file was read again.';
comment on column ops.load_batches.replaced_by is
    'The batch that read the same file again: for runs that see that one, the rows of this do not count.';
create index load_batches_replaced on ops.load_batches (replaced_by) where replaced_by is not null;
"""

# The columns of every raw table, and the table's key.
RAW = """
alter table raw.{table}
    add column delivered_as bigint,
    add column revision integer not null default 0,
    drop constraint {table}_pkey,
    add primary key (source, row_key, revision);
comment on column raw.{table}.delivered_as is
    'Of a file that was read again, the batch in whose place its rows stand; null where that is batch_id.';
comment on column raw.{table}.revision is
    'Of rows with the same key one counts; the others are of batches that were replaced.';
"""
RAW_TABLES = (
    "orders", "order_lines", "refunds", "web_events", "ticket_versions", "ticket_events", "survey_responses",
    "contacts", "consents", "companies", "deals",
)  # fmt: skip
RECORD_KEYS = {
    "orders": "order_id",
    "order_lines": "order_id",
    "refunds": "refund_id",
    "ticket_versions": "ticket_id",
    "survey_responses": "response_id",
    "contacts": "contact_id",
}

# The table becomes the partition of all months that have none of their own.
MONTHS = """
alter table raw.web_events rename to web_events_other;
alter index raw.web_events_pkey rename to web_events_other_pkey;
alter index raw.web_events_batch_id rename to web_events_other_batch_id;
create table raw.web_events (like raw.web_events_other including defaults) partition by range (occurred_at);
create index web_events_batch_id on raw.web_events using brin (batch_id);
alter table raw.web_events attach partition raw.web_events_other default;
comment on table raw.web_events is
    'Partitioned by the month of occurred_at. The keys are unique in each partition, and a load sees to it '
    'that they are across all.';
comment on table raw.web_events_other is 'Events of months that have too few for a partition of their own.';
"""

# After a big first load and a few nights the planner takes a night's batch for a third of the table and reads
# it whole, all history, for every question about what is new.
MANY_BATCHES = "alter table raw.{table} alter column batch_id set (n_distinct = -0.0005)"
MANY_BATCHES_OF_MONTHS = (
    "alter table raw.web_events alter column batch_id set (n_distinct_inherited = -0.0005)"
)

GUARDS = """
alter table ops.load_batches
    add column state text not null default 'loaded' check (state in ('loaded', 'held', 'dropped')),
    add column state_reason text,
    add column rows_held bigint not null default 0,
    add column held_limits text,
    add column accepted_at timestamptz,
    add column retry_of bigint references ops.load_batches,
    add check (state = 'loaded' or rows_read = 0);
comment on column ops.load_batches.state is
    'held: nothing of it is in raw, state_reason says why; dropped: a person decided that it stays out.';
comment on column ops.load_batches.rows_held is
    'How many rows a held batch has. They are not among rows_read, which counts what was taken in.';
comment on column ops.load_batches.held_limits is
    'The limits it was held under; with others it is read again.';
comment on column ops.load_batches.accepted_at is
    'A person wants the held batch loaded: the next load takes it.';
comment on column ops.load_batches.retry_of is 'The batch whose rejected rows were loaded with this one.';
create index load_batches_held on ops.load_batches (feed) where state = 'held' and superseded_at is null;

alter table ops.rejected_records
    add column page bigint,
    add column settled_at timestamptz,
    add column settled_by bigint references ops.load_batches;
comment on table ops.rejected_records is
    'Rows that no stream could take. `value` is masked where it may be personal; `record` is the whole row, '
    'unmasked, because it is what a retry loads: only the role that runs the pipeline may read it.';
comment on column ops.rejected_records.page is
    'Of an API: which answer of that reading had the record, from 1; null where there are no pages.';
comment on column ops.rejected_records.line_number is
    'Of an API: the number of the record in its page, from 1; of a database: in that reading.';
comment on column ops.rejected_records.settled_by is
    'The batch that took the row in, or that read its file again; null while the row is out.';
create index rejected_records_open on ops.rejected_records (source, stream, batch_id)
where settled_at is null;

create table ops.duplicate_rows (
    batch_id bigint not null references ops.load_batches,
    row_key uuid not null,
    primary key (batch_id, row_key)
);
comment on table ops.duplicate_rows is
    'Of batches with rejected rows in feeds without a key: the rows that other files had brought before. A '
    'retry needs them to number equal rows as if the whole file were read again.';

create table ops.kept_files (
    file_hash text primary key,
    location text not null,
    is_member boolean not null,
    stored_bytes bigint,
    kept_at timestamptz not null default now(),
    removed_at timestamptz
);
comment on table ops.kept_files is
    'Copies of files that were read, named by the hash of their content; stored_bytes is null where the '
    'file had changed before it could be copied.';

create table ops.source_freshness (
    run_id bigint not null references ops.runs,
    feed text not null,
    source text not null,
    stream text not null,
    newest_record_at timestamptz,
    warn_after interval,
    error_after interval,
    state text not null check (state in ('pass', 'warn', 'error', 'none')),
    primary key (run_id, feed)
);
comment on table ops.source_freshness is
    'How old the newest record of each feed was at the as_of of a run, against the limits it had then.';

create table ops.source_columns (
    source text not null,
    stream text not null,
    feed text not null,
    column_name text not null,
    first_batch_id bigint not null references ops.load_batches,
    is_new boolean not null,
    primary key (feed, stream, source, column_name)
);
comment on table ops.source_columns is
    'Every column that a feed has ever had; is_new where it came after the first batch.';
"""


def upgrade() -> None:
    op.execute(OPS)
    op.execute(GUARDS)
    op.execute(REREADING)
    for table in RAW_TABLES:
        op.execute(RAW.format(table=table))
        op.execute(MANY_BATCHES.format(table=table))
    op.execute(MONTHS)
    op.execute(MANY_BATCHES_OF_MONTHS)
    for table, key in RECORD_KEYS.items():
        op.execute(f"create index {table}_{key} on raw.{table} (source, {key})")
