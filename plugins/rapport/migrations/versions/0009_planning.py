"""What planning computes in the database: a recipient's hours, the buckets of arms; and what it looks up."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Within an offset the clock's arithmetic is plain; so the way to the window goes from one change of the
# clocks to the next, and each change is looked at again. How PostgreSQL itself reads a local time that
# occurs twice or never depends on the zone.
WINDOWS = """
create function activation.next_allowed(moment timestamptz, zone text, opens time, closes time, days int[])
returns timestamptz
language plpgsql immutable strict parallel safe
as $$
declare
    reached timestamptz := moment;
    clock timestamp;
    ahead interval;
    day date;
    opening timestamptz;
    before timestamptz;
    after timestamptz;
    low bigint;
    high bigint;
    middle bigint;
    probe timestamptz;
begin
    loop
        clock := reached at time zone zone;
        if extract(isodow from clock) = any(days) and clock::time >= opens and clock::time < closes then
            return reached;
        end if;

        ahead := clock - (reached at time zone 'UTC');
        day := clock::date;
        if clock::time >= opens then
            day := day + 1;
        end if;
        while extract(isodow from day) <> all(days) loop
            day := day + 1;
        end loop;
        opening := reached + make_interval(secs => extract(epoch from day + opens - clock)::double precision);

        after := reached;
        loop
            before := after;
            after := least(before + interval '1 hour', opening);
            exit when
                after = before
                or (after at time zone zone) - (after at time zone 'UTC') <> ahead;
        end loop;
        if after = before then
            return opening;
        end if;

        low := floor(extract(epoch from before));
        high := ceil(extract(epoch from after));
        while high - low > 1 loop
            middle := (low + high) / 2;
            probe := to_timestamp(middle);
            if (probe at time zone zone) - (probe at time zone 'UTC') = ahead then
                low := middle;
            else
                high := middle;
            end if;
        end loop;
        reached := to_timestamp(high);
    end loop;
end
$$;
comment on function activation.next_allowed is
    'The first moment from this one on at which the clock of the zone shows one of the days (1 is Monday) '
    'and a time from opens to before closes.';
"""

ARMS = """
create function activation.bucket(salt text, recipient_key text)
returns double precision
language sql immutable strict parallel safe
return ('x' || left(md5(salt || ' ' || recipient_key), 12))::bit(48)::bigint
    / 281474976710656.0::double precision;
comment on function activation.bucket is
    'Where a recipient falls between 0 and 1, the same for good; another salt, another place.';
"""

LOOK_UPS = """
alter table activation.editions
add column cap text generated always as (specification #>> '{campaign,cap}') stored;
comment on column activation.editions.cap is 'The class whose frequency cap counts its messages.';

-- One index for "whose messages" and for "once an edition"; and an edition is written in the transaction that
-- writes its messages, so that looking it up for each of them is waste: a fifth of a plan.
alter table activation.messages
drop constraint messages_edition_id_customer_id_key,
drop constraint messages_edition_id_fkey,
add constraint messages_of_customer unique (customer_id, edition_id);
"""


def upgrade() -> None:
    for statements in (WINDOWS, ARMS, LOOK_UPS):
        op.execute(statements)
