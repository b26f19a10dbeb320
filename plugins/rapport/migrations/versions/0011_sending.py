"""What sending keeps: who holds an attempt, what is due, the tokens of all, where the warehouse stood."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
alter table activation.attempts add column sender int;
comment on column activation.attempts.sender is
    'The advisory lock that the sending process holds for as long as it lives.';

create index attempts_of_edition on activation.attempts (edition_id, claimed_at);

-- What is planned, in other words: while no index names `state`, writing it touches none of them.
drop index activation.messages_to_send;
create index messages_due on activation.messages (edition_id, due_at, recipient_key)
where claimed_at is null and state_reason is null;

-- A message is written when it is planned, claimed and settled. Room on its page keeps the last of these off
-- the indexes; who claims it writes the attempt in the same statement, so that looking it up is waste.
alter table activation.messages set (fillfactor = 70);

create table activation.resends (
    message_id uuid not null references activation.messages,
    attempt_id bigint,
    sent_again_by text not null,
    decided_at timestamptz not null default now()
);
comment on table activation.resends is
    'Who decided to send again what nobody knows the fate of; attempt_id is the one that stayed unknown.';

create table activation.warehouse_mark (
    is_only boolean primary key default true check (is_only),
    warehouse_id uuid not null default gen_random_uuid(),
    place text not null,
    noted_at timestamptz not null default now()
);
comment on table activation.warehouse_mark is
    'Which server and database this warehouse was when mails last left it. Another: it was restored.';
"""

TOKENS = """
create function activation.take_tokens(
    of_transport text, wanted int, per_second double precision,
    out granted int, out wait_seconds double precision
)
language plpgsql
as $$
declare
    rate activation.send_rate;
    available double precision;
begin
    insert into activation.send_rate (transport, tokens, refilled_at)
    values (of_transport, greatest(per_second, 1), clock_timestamp())
    on conflict do nothing;
    select * into rate from activation.send_rate where transport = of_transport for update;
    available := least(
        greatest(per_second, 1),
        rate.tokens
        + per_second * greatest(0, extract(epoch from clock_timestamp() - rate.refilled_at))
    );
    if rate.blocked_until > clock_timestamp() then
        granted := 0;
        wait_seconds := extract(epoch from rate.blocked_until - clock_timestamp());
    else
        granted := least(wanted, floor(available));
        wait_seconds := case
            when granted > 0 then 0
            else (least(wanted, greatest(per_second, 1)) - available) / per_second
        end;
    end if;
    update activation.send_rate
    set tokens = available - granted, refilled_at = clock_timestamp()
    where transport = of_transport;
end
$$;
comment on function activation.take_tokens is
    'Take up to so many of the tokens that all senders share; none: how long to wait for as many as fit.';
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(TOKENS)
