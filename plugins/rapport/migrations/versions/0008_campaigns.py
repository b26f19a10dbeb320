"""What exactly accounted campaigns keep: arms, attempts, approvals, pauses, events, suppressions, proofs."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

EDITIONS = """
alter table activation.editions
add column step text,
add column expires_at timestamptz,
add column plan jsonb,
add column ramp_sent_at timestamptz,
add column ramp_passed_at timestamptz;
comment on column activation.editions.step is 'Of a journey: the name of the mail.';
comment on column activation.editions.plan is
    'What planning found: counts by reason, the difference from the last edition, the detectable effect.';
comment on column activation.editions.ramp_sent_at is
    'Of a large edition: when its first share had left; ramp_passed_at: when that was found to be well.';

create table activation.edition_counts (
    edition_id text not null references activation.editions,
    reason text not null,
    messages bigint not null,
    primary key (edition_id, reason)
);
comment on table activation.edition_counts is
    'Per edition and reason how many were skipped when it was planned; outlives the rows of those messages.';

create table activation.approvals (
    approval_id bigint generated always as identity primary key,
    edition_id text not null references activation.editions,
    edition_hash text not null,
    decision text not null check (decision in ('approved', 'rejected')),
    decided_by text not null,
    decided_through text not null check (decided_through in ('page', 'command', 'task')),
    comment text,
    decided_at timestamptz not null default now()
);
comment on table activation.approvals is 'Who decided on which edition, append-only; it holds for one hash.';

create table activation.pauses (
    pause_id bigint generated always as identity primary key,
    campaign text,
    paused_by text not null,
    reason text,
    paused_at timestamptz not null default now(),
    resumed_by text,
    resumed_at timestamptz
);
comment on column activation.pauses.campaign is 'Null: everything is paused.';
create unique index pauses_open on activation.pauses (campaign) nulls not distinct where resumed_at is null;
"""

MESSAGES = """
create table activation.arms (
    campaign text not null,
    recipient_key text not null,
    customer_id text not null,
    arm text not null check (arm in ('treatment', 'holdout')),
    variant text,
    edition_id text not null,
    due_at timestamptz not null,
    assigned_at timestamptz not null default now(),
    primary key (campaign, recipient_key)
);
comment on table activation.arms is
    'The arm of a campaign that somebody belongs to, for good; due_at is when their window begins.';
comment on column activation.arms.campaign is 'The campaign, or * for the holdout of all campaigns.';

create table activation.attempts (
    attempt_id bigint generated always as identity primary key,
    edition_id text not null references activation.editions,
    parent_id bigint references activation.attempts,
    transport text not null,
    messages int not null,
    claimed_at timestamptz not null default now(),
    requested_at timestamptz,
    ended_at timestamptz,
    outcome text check (outcome in (
        'accepted', 'rejected', 'returned', 'divided', 'uncertain', 'unknown'
    )),
    status int,
    provider_id text,
    detail text
);
comment on table activation.attempts is
    'One row per request that hands mails over, written before the request leaves.';
comment on column activation.attempts.parent_id is 'The attempt that was divided into this one and others.';
comment on column activation.attempts.detail is 'What the answer said, without addresses.';
create index attempts_open on activation.attempts (edition_id)
where ended_at is null or outcome = 'uncertain';

alter table activation.messages
add column arm text check (arm in ('treatment', 'holdout')),
add column variant text,
add column voucher text,
add column attempt_id bigint,
add column expires_at timestamptz,
add column delivery text
check (delivery in ('deferred', 'delivered', 'bounced', 'dropped', 'complained')),
add column delivery_at timestamptz,
add column delivery_detail text;
comment on column activation.messages.delivery is 'What events said last, never backwards.';
comment on column activation.messages.voucher is 'The code that this message took from its campaign''s pool.';
create index messages_of_attempt on activation.messages (attempt_id) where attempt_id is not null;

create table activation.vouchers (
    pool text not null,
    code text not null,
    message_id uuid unique references activation.messages,
    taken_at timestamptz,
    imported_at timestamptz not null default now(),
    primary key (pool, code)
);
create index vouchers_free on activation.vouchers (pool) where message_id is null;

create table activation.test_sends (
    test_id uuid primary key,
    campaign text not null,
    step text,
    variant text,
    transport text not null,
    recipient_key text not null,
    sent_by text not null,
    sent_at timestamptz not null default now(),
    outcome text
);
comment on table activation.test_sends is 'Mails to colleagues; they count nowhere.';
"""

EVENTS = """
create table activation.webhook_bodies (
    body_id bigint generated always as identity primary key,
    received_at timestamptz not null default now(),
    body bytea not null,
    fault text
);
comment on table activation.webhook_bodies is
    'Signed events as they came, until they are drained; with a fault, what could not be read and why.';

alter table activation.message_events
add column attempt_id bigint,
add column class text,
add column user_agent text,
add column is_machine_open boolean;
comment on column activation.message_events.class is
    'Of a bounce: hard, soft or blocked; of what was dropped: why.';
comment on column activation.message_events.is_machine_open is
    'Of an open: SendGrid says that Apple''s proxy fetched it.';
create index message_events_recorded on activation.message_events (recorded_at);

create table activation.stray_events (
    event text not null,
    occurred_at timestamptz not null,
    recipient_key text,
    detail text,
    recorded_at timestamptz not null default now(),
    unique nulls not distinct (event, occurred_at, recipient_key, detail)
);
comment on table activation.stray_events is
    'Events without an id of ours. They suppress by their address and are kept to be counted.';
"""

SUPPRESSIONS = """
alter table activation.recipients alter column email drop not null;
comment on column activation.recipients.email is 'Null once erased; the key and its suppressions remain.';

alter table activation.suppressions add column detail text;
comment on column activation.suppressions.reason is
    'withdrawn (a consent feed), unsubscribed (the link), preferences, bounced, complained, dropped, '
    'imported, provider (a list pulled from SendGrid), erased.';

create table activation.suppression_pulls (
    pull_id bigint generated always as identity primary key,
    list text not null,
    pulled_at timestamptz not null default now(),
    until_time timestamptz not null,
    entries int not null,
    added int not null
);
comment on column activation.suppression_pulls.until_time is 'The next pull begins here, with an overlap.';
"""

PROOFS = """
create table activation.send_rate (
    transport text primary key,
    tokens double precision not null,
    refilled_at timestamptz not null,
    blocked_until timestamptz,
    failures int not null default 0
);
comment on table activation.send_rate is 'The tokens that all senders share, one row a transport.';

create table activation.probes (
    probe_id uuid primary key,
    account text not null,
    sender text not null,
    mails jsonb not null,
    sent_at timestamptz not null default now(),
    proven_at timestamptz,
    valid_until timestamptz,
    faults jsonb
);
comment on table activation.probes is 'Whether batched mails arrive as they should, by account and sender.';
comment on column activation.probes.account is 'A hash of the API key''s id.';

create table activation.doctor_checks (
    name text primary key,
    checked_at timestamptz not null,
    is_ok boolean,
    detail text not null
);
comment on table activation.doctor_checks is 'The last result of each check of the live domain.';
"""


def upgrade() -> None:
    for tables in (EDITIONS, MESSAGES, EVENTS, SUPPRESSIONS, PROOFS):
        op.execute(tables)
