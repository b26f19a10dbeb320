"""The first tables: raw, ops, identity, segments, activation.

A migration is history: it spells its tables out instead of reading today's stream definitions, and a test
compares the two.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OPS = """
create table ops.load_batches (
    batch_id bigint primary key,
    source text not null,
    stream text not null,
    mode text not null,
    feed text not null,
    file text not null,
    file_hash text not null,
    mapping_hash text not null,
    rows_read bigint not null,
    rows_loaded bigint not null,
    rows_duplicate bigint not null,
    rows_rejected bigint not null,
    newest_record_at timestamptz,
    started_at timestamptz not null,
    loaded_at timestamptz not null default now(),
    superseded_at timestamptz,
    check (rows_read = rows_loaded + rows_duplicate + rows_rejected)
);
comment on table ops.load_batches is
    'One row per file that was read into raw, written in the transaction that loads it.';
comment on column ops.load_batches.superseded_at is 'Set by reload: the file may be read again.';
create unique index load_batches_once on ops.load_batches (source, stream, feed, file_hash, mapping_hash)
where superseded_at is null;

create table ops.rejected_records (
    rejected_id bigint generated always as identity primary key,
    batch_id bigint not null references ops.load_batches,
    source text not null,
    stream text not null,
    file text not null,
    line_number bigint not null,
    column_name text,
    value text,
    reason text not null,
    record jsonb not null,
    rejected_at timestamptz not null default now()
);
create index rejected_records_batch_id on ops.rejected_records (batch_id);

create table ops.runs (
    run_id bigint generated always as identity primary key,
    as_of timestamptz not null,
    max_batch_id bigint,
    config_hash text not null,
    is_rebuild boolean not null default false,
    state text not null check (state in ('running', 'succeeded', 'failed', 'interrupted')),
    message text,
    started_at timestamptz not null default now(),
    ended_at timestamptz
);
comment on column ops.runs.max_batch_id is
    'The newest load the run may see; null until the view is being built.';

create table ops.run_steps (
    step_id bigint generated always as identity primary key,
    run_id bigint references ops.runs,
    dag text not null,
    step text not null,
    state text not null check (state in ('running', 'succeeded', 'failed', 'interrupted')),
    rows_read bigint,
    rows_loaded bigint,
    rows_duplicate bigint,
    rows_rejected bigint,
    rows_out bigint,
    message text,
    started_at timestamptz not null default now(),
    ended_at timestamptz
);
comment on column ops.run_steps.run_id is 'Null while a load waits for the next run to take it in.';
create index run_steps_run_id on ops.run_steps (run_id);

create table ops.test_results (
    run_id bigint not null references ops.runs,
    layer text not null,
    test text not null,
    model text,
    status text not null check (status in ('pass', 'warn', 'fail', 'error', 'skipped')),
    failures bigint,
    description text,
    message text,
    primary key (run_id, layer, test)
);
"""

# No foreign key from batch_id: one transaction writes both sides, and the check is a fifth of a load.
RAW = """
create table raw.orders (
    order_id text not null,
    ordered_at timestamptz not null,
    updated_at timestamptz,
    cancelled_at timestamptz,
    currency text,
    discount_amount numeric,
    tax_amount numeric,
    shipping_amount numeric,
    total_amount numeric,
    prices_include_tax boolean,
    order_status text,
    sales_channel text,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index orders_batch_id on raw.orders using brin (batch_id);

create table raw.order_lines (
    order_id text not null,
    line_id text,
    ordered_at timestamptz not null,
    quantity numeric not null,
    unit_price numeric not null,
    line_kind text,
    product_id text,
    product_name text,
    category text,
    currency text,
    discount_amount numeric,
    tax_amount numeric,
    order_status text,
    sales_channel text,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index order_lines_batch_id on raw.order_lines using brin (batch_id);

create table raw.refunds (
    refund_id text not null,
    refunded_at timestamptz not null,
    amount numeric not null,
    order_id text,
    line_id text,
    product_id text,
    quantity numeric,
    currency text,
    kind text,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index refunds_batch_id on raw.refunds using brin (batch_id);

create table raw.web_events (
    event_id text not null,
    event_name text not null,
    occurred_at timestamptz not null,
    anonymous_id text,
    page_url text,
    referrer text,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    product_id text,
    value numeric,
    properties jsonb,
    customer_number text,
    email text,
    phone text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index web_events_batch_id on raw.web_events using brin (batch_id);

create table raw.ticket_versions (
    ticket_id text not null,
    opened_at timestamptz not null,
    updated_at timestamptz not null,
    version integer,
    status text not null,
    subject text,
    channel text,
    priority text,
    category text,
    assignee text,
    team text,
    reopen_count integer,
    first_replied_at timestamptz,
    solved_at timestamptz,
    csat_score numeric,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index ticket_versions_batch_id on raw.ticket_versions using brin (batch_id);

create table raw.ticket_events (
    event_id text not null,
    ticket_id text not null,
    occurred_at timestamptz not null,
    kind text not null,
    status text,
    author_kind text,
    is_public boolean,
    body text,
    rating text,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index ticket_events_batch_id on raw.ticket_events using brin (batch_id);

create table raw.survey_responses (
    response_id text not null,
    responded_at timestamptz not null,
    metric text not null,
    score numeric not null,
    comment text,
    about text,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index survey_responses_batch_id on raw.survey_responses using brin (batch_id);

create table raw.contacts (
    contact_id text not null,
    updated_at timestamptz not null,
    first_name text,
    last_name text,
    company_id text,
    company_name text,
    title text,
    birth_date date,
    language text,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index contacts_batch_id on raw.contacts using brin (batch_id);

create table raw.consents (
    consent_id text not null,
    decided_at timestamptz not null,
    channel text not null,
    topic text not null,
    decision text not null,
    basis text,
    confirmed_at timestamptz,
    expires_at timestamptz,
    text_version text,
    evidence text,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index consents_batch_id on raw.consents using brin (batch_id);

"""

IDENTITY = """
create table identity.customers (
    customer_id text primary key,
    kind text not null,
    source text not null,
    value text not null,
    first_batch_id bigint not null,
    first_seen_at timestamptz not null,
    created_run_id bigint not null references ops.runs,
    unique (kind, source, value)
);
comment on table identity.customers is
    'Every customer_id ever given, with the strong identifier it was derived from. Append-only.';

create table identity.identifiers (
    kind text not null check (kind in ('email', 'phone', 'customer_number', 'contact', 'device')),
    source text not null,
    value text not null,
    customer_id text not null references identity.customers,
    first_batch_id bigint not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    primary key (kind, source, value)
);
comment on table identity.identifiers is
    'One row per identifier of a customer. Source is empty for kinds that mean the same in every source.';
create index identifiers_customer_id on identity.identifiers (customer_id);

create table identity.edges (
    kind_a text not null,
    source_a text not null,
    value_a text not null,
    kind_b text not null,
    source_b text not null,
    value_b text not null,
    stream text not null,
    source text not null,
    record_id text not null,
    first_batch_id bigint not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    primary key (kind_a, source_a, value_a, kind_b, source_b, value_b, stream, source)
);
comment on table identity.edges is
    'One row per pair of identifiers seen together in a stream of a source; record_id is the first record.';

create table identity.merges (
    old_customer_id text primary key references identity.customers,
    customer_id text not null references identity.customers,
    run_id bigint not null references ops.runs
);
comment on table identity.merges is 'Redirects: one row per customer_id that was joined into an older one.';

create table identity.changes (
    run_id bigint not null references ops.runs,
    old_customer_id text,
    new_customer_id text,
    identifiers bigint not null,
    unique nulls not distinct (run_id, old_customer_id, new_customer_id)
);

create table identity.watermark (
    is_only boolean primary key default true check (is_only),
    run_id bigint not null references ops.runs,
    as_of timestamptz not null,
    max_batch_id bigint not null
);
comment on table identity.watermark is 'The run whose data the identity tables show; one row.';
"""

SEGMENTS = """
create table segments.members (
    segment text not null,
    customer_id text not null,
    reason text not null,
    primary key (segment, customer_id)
);

create table segments.memberships (
    segment text not null,
    customer_id text not null,
    entered_at timestamptz not null,
    left_at timestamptz,
    reason text not null,
    primary key (segment, customer_id, entered_at),
    check (left_at > entered_at)
);
create unique index memberships_open on segments.memberships (segment, customer_id) where left_at is null;
"""

ACTIVATION = """
create table activation.recipient_keys (
    key_id text primary key,
    check_value text not null,
    created_at timestamptz not null default now()
);
comment on table activation.recipient_keys is
    'Proof, without the secret, of which key the recipient keys were made with.';

create table activation.recipients (
    recipient_key text primary key,
    key_id text not null references activation.recipient_keys,
    email text not null unique
);

create table activation.suppressions (
    recipient_key text not null,
    topic text not null,
    reason text not null,
    suppressed_at timestamptz not null,
    primary key (recipient_key, topic, reason, suppressed_at)
);
comment on column activation.suppressions.topic is 'A consent topic, or all.';

create table activation.editions (
    edition_id text primary key,
    campaign text not null,
    slot_at timestamptz not null,
    due_at timestamptz not null,
    run_id bigint not null references ops.runs,
    state text not null
    check (state in (
        'planned', 'held', 'awaiting_approval', 'approved', 'sending', 'paused', 'done', 'cancelled'
    )),
    state_reason text,
    edition_hash text not null,
    specification jsonb not null,
    planned_at timestamptz not null default now()
);
create index editions_campaign on activation.editions (campaign, slot_at);

create table activation.messages (
    message_id uuid primary key,
    edition_id text not null references activation.editions,
    campaign text not null,
    customer_id text not null,
    recipient_key text,
    entered_at timestamptz,
    state text not null
    check (state in (
        'planned', 'skipped', 'expired', 'cancelled',
        'sending', 'accepted', 'rejected', 'uncertain', 'unknown'
    )),
    state_reason text,
    due_at timestamptz not null,
    claimed_at timestamptz,
    accepted_at timestamptz,
    unique (edition_id, recipient_key),
    unique (edition_id, customer_id)
);
create index messages_by_recipient on activation.messages (recipient_key, due_at);
create index messages_to_send on activation.messages (edition_id) where state in ('planned', 'sending');
"""


def upgrade() -> None:
    for schema in ("raw", "identity", "segments", "activation"):
        op.execute(f"create schema if not exists {schema}")
    for tables in (OPS, RAW, IDENTITY, SEGMENTS, ACTIVATION):
        op.execute(tables)
