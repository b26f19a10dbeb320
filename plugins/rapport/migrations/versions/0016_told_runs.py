"""What is told of a run: the tasks of Airflow that did it, who owns a failed check, who got the digest."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

RUNS = """
alter table ops.run_steps
add column dag_run_id text,
add column task_id text,
add column map_index int,
add column try_number int;
comment on column ops.run_steps.dag_run_id is
    'With dag, task_id, map_index (-1: not mapped) and try_number the task of Airflow; null in rapport run.';

alter table ops.test_results add column owner text;
comment on column ops.test_results.owner is 'Who answers for it: meta.owner of the test, else of its model.';
create index test_results_failed on ops.test_results (run_id) where status in ('fail', 'error');

create index runs_as_of on ops.runs (as_of);

create table ops.digests (
    sent_for date not null,
    recipient_key text not null,
    run_id bigint references ops.runs,
    transport text not null,
    tried_at timestamptz not null default now(),
    sent_at timestamptz,
    fault text,
    primary key (sent_for, recipient_key)
);
comment on table ops.digests is
    'The daily digest, one row a day and recipient. Without sent_at and fault nobody knows whether it left.';

create index page_audit_who on ops.page_audit (who, audit_id);
"""


def upgrade() -> None:
    op.execute(RUNS)
