"""What a run of the customer view may build upon, and what has to be built again."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table ops.runs add column view_hash text;
        alter table ops.runs add column since_run_id bigint references ops.runs;
        comment on column ops.runs.view_hash is
            'What the customer view was built with: the models and their parameters.';
        comment on column ops.runs.since_run_id is
            'The run whose view this one brings up to date; null where it builds the view from nothing.';

        create table ops.removed_facts (
            run_id bigint not null,
            customer_id text not null,
            primary key (run_id, customer_id)
        );
        comment on table ops.removed_facts is
            'Customers some of whose facts a run took away or built again.';

        create table ops.removed_keys (
            run_id bigint not null,
            kind text not null,
            key jsonb not null,
            primary key (run_id, kind, key)
        );
        comment on table ops.removed_keys is
            'What else was known of facts that a run took away or built again, for models that sum them up.';

        create table identity.identifier_changes (
            run_id bigint not null references ops.runs,
            kind text not null,
            source text not null,
            value text not null,
            first_batch_id bigint not null,
            old_customer_id text,
            new_customer_id text,
            primary key (run_id, kind, source, value)
        );
        comment on table identity.identifier_changes is
            'Identifiers that went from one customer to another, or came to one or to none, in a run '
            'that built upon an earlier view. first_batch_id is the first load that showed the identifier.';

        create index ticket_events_ticket_id on raw.ticket_events (source, ticket_id);
        """
    )
