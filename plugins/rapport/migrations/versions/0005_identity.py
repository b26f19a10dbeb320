"""What identity needs to work by increments, and what people decide about it."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Edges are a view of the observations now (dbt). A run writes its own id, so references to ops.runs, which
# cost a look-up a row, go.
GRAPH = """
drop table identity.edges;

alter table identity.customers drop constraint customers_created_run_id_fkey;
alter table identity.changes drop constraint changes_run_id_fkey;

alter table identity.identifiers add column batch_first_seen_at timestamptz;
update identity.identifiers set batch_first_seen_at = first_seen_at;
alter table identity.identifiers alter column batch_first_seen_at set not null;
-- Who is seen again gets a later last_seen_at: with room on its page that touches no index.
alter table identity.identifiers set (fillfactor = 90);
comment on column identity.identifiers.batch_first_seen_at is
    'The first time within the load first_batch_id; both, then the strength of its kind, say who was first.';

alter table identity.merges
add column kind text,
add column source text,
add column value text,
add check (old_customer_id <> customer_id);
comment on column identity.merges.value is
    'With kind and source the identifier that leads to customer_id: the one that the old customer was named '
    'after or, where that is gone, the first of the identifiers that were left of the old customer.';
create index merges_customer_id on identity.merges (customer_id);
create index merges_identifier on identity.merges (kind, source, value);

alter table identity.watermark
add column rules text,
add column newest_decision_id bigint not null default 0,
add column customers bigint not null default 0,
add column identifiers bigint not null default 0;
comment on column identity.watermark.rules is 'What config/identity.yml said.';

create table identity.email_forms (
    email text primary key,
    normal_form text not null
);
comment on table identity.email_forms is
    'Addresses that can be spelled in several ways; those of one normal form are one mailbox.';
create index email_forms_normal_form on identity.email_forms (normal_form);
"""

REVIEW = """
create table identity.reviews (
    kind text not null,
    source text not null,
    value text not null,
    linked_kind text not null,
    linked_source text not null,
    links bigint not null,
    since_run_id bigint not null,
    primary key (kind, source, value)
);
comment on table identity.reviews is
    'Identifiers that stopped linking, because they were seen with too many strong identifiers of one kind.';

create table identity.decisions (
    decision_id bigint generated always as identity primary key,
    decision text not null check (decision in ('cut', 'join', 'shared', 'trusted', 'undo')),
    kind_a text,
    source_a text,
    value_a text,
    kind_b text,
    source_b text,
    value_b text,
    undoes bigint references identity.decisions,
    decided_by text not null,
    reason text,
    decided_at timestamptz not null default now(),
    check ((decision = 'undo') = (undoes is not null)),
    check ((decision = 'undo') = (value_a is null)),
    check ((decision in ('cut', 'join')) = (value_b is not null))
);
comment on table identity.decisions is
    'What people decided about identifiers; append-only. Of those on one subject the last holds.';
create unique index decisions_undone_once on identity.decisions (undoes);

create table identity.proposals (
    customer_id_a text not null,
    customer_id_b text not null,
    probability double precision not null check (probability between 0 and 1),
    evidence text not null,
    proposed_run_id bigint not null,
    primary key (customer_id_a, customer_id_b),
    check (customer_id_a < customer_id_b)
);
comment on table identity.proposals is
    'Pairs of customers that look like one person; nothing is merged until a person says so.';
"""


def upgrade() -> None:
    op.execute(GRAPH)
    op.execute(REVIEW)
