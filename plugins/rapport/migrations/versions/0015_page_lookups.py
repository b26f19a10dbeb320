"""What pages look up in big tables."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SEGMENTS = """
create table segments.sizes (
    segment text not null,
    as_of timestamptz not null,
    run_id bigint not null,
    members bigint not null,
    entered bigint not null,
    left_ bigint not null,
    primary key (segment, as_of)
);
comment on table segments.sizes is 'One row per segment and run that counted it: how many were in.';
comment on column segments.sizes.segment is 'The name of the view segments.<segment>.';
comment on column segments.sizes.as_of is 'The as_of of the run, UTC.';
comment on column segments.sizes.run_id is 'The run, in ops.runs.';
comment on column segments.sizes.members is 'How many customers were in.';
comment on column segments.sizes.entered is 'How many of them this run first saw in.';
comment on column segments.sizes.left_ is 'How many this run first missed.';

create table segments.profiles (
    segment text not null,
    dimension text not null,
    value text,
    members bigint not null,
    customers bigint not null,
    unique nulls not distinct (segment, dimension, value)
);
comment on table segments.profiles is
    'One row per segment, dimension and value that any customer has: members beside all customers.';
comment on column segments.profiles.segment is 'The name of the view segments.<segment>.';
comment on column segments.profiles.dimension is 'A column of marts.customers.';
comment on column segments.profiles.value is 'What that column says; null where it is not known.';
comment on column segments.profiles.members is 'How many members of the segment have the value.';
comment on column segments.profiles.customers is 'How many customers have it.';

create index memberships_entered on segments.memberships (segment, entered_at, customer_id);
create index memberships_left on segments.memberships (segment, left_at, customer_id)
where left_at is not null;
"""

# What the runs before this table saw, as far as the memberships still tell.
SIZES_OF_EARLIER_RUNS = """
insert into segments.sizes
with runs as (
    select runs.as_of, max(runs.run_id) as run_id
    from ops.runs
    inner join ops.run_steps on runs.run_id = run_steps.run_id
    where run_steps.step = 'record_memberships' and run_steps.state = 'succeeded'
    group by runs.as_of
),

moves as (
    select segment, entered_at as moved_at, count(*) as entered, 0 as left_
    from segments.memberships group by segment, entered_at
    union all
    select segment, left_at, 0, count(*)
    from segments.memberships where left_at is not null group by segment, left_at
),

seen as (
    select segments.segment, runs.as_of, runs.run_id
    from runs
    inner join (select segment, min(moved_at) as first_at from moves group by segment) as segments
        on runs.as_of >= segments.first_at
)

select
    seen.segment, seen.as_of, seen.run_id,
    sum(moves.entered) - sum(moves.left_) as members,
    coalesce(sum(moves.entered) filter (where moves.moved_at = seen.as_of), 0) as entered,
    coalesce(sum(moves.left_) filter (where moves.moved_at = seen.as_of), 0) as left_
from seen
inner join moves on seen.segment = moves.segment and moves.moved_at <= seen.as_of
group by seen.segment, seen.as_of, seen.run_id
"""


# What is open of campaigns, and the requests whose fate stayed unknown: few rows of big tables.
CAMPAIGNS = """
create index editions_open on activation.editions (campaign) where state not in ('done', 'cancelled');
create index attempts_unknown on activation.attempts (edition_id) where outcome = 'unknown';
create index test_sends_campaign on activation.test_sends (campaign, sent_at);
"""


def upgrade() -> None:
    op.execute(SEGMENTS)
    op.execute(SIZES_OF_EARLIER_RUNS)
    op.execute(CAMPAIGNS)
