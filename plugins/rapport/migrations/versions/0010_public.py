"""What the public pages may do: functions, each of which does one thing; roles.py lets a role call them."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# They run with the rights of whoever migrates, so each names every table with its schema.
FUNCTIONS = """
create schema public_pages;
comment on schema public_pages is
    'All that `rapport serve` may do: it can call these functions and read or write nothing else.';

create function public_pages.store_webhook(body bytea) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if octet_length(body) > 5242880 then
        raise exception 'a webhook body has at most 5 MB' using errcode = 'program_limit_exceeded';
    end if;
    insert into activation.webhook_bodies (body) values (store_webhook.body);
end
$$;

create function public_pages.withdraw(recipient_key text, topics text[], reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if reason not in ('unsubscribed', 'preferences') then
        raise exception 'a recipient cannot withdraw for this reason' using errcode = 'check_violation';
    end if;
    if cardinality(topics) > 100 then
        raise exception 'at most 100 topics' using errcode = 'program_limit_exceeded';
    end if;
    -- A link that is followed again and again leaves a row a minute, and its last time counts.
    delete from activation.suppressions
    where
        suppressions.recipient_key = withdraw.recipient_key
        and suppressions.topic = any(topics)
        and suppressions.reason = withdraw.reason
        and suppressions.suppressed_at between now() - interval '1 minute' and now();
    insert into activation.suppressions (recipient_key, topic, reason, suppressed_at)
    select distinct withdraw.recipient_key, left(topic, 200), withdraw.reason, now()
    from unnest(topics) as topic
    on conflict do nothing;
    -- A link names no message. It counts for the last one on the topic, else for the last one of all, once.
    insert into activation.message_events (message_id, event, occurred_at, detail)
    select latest.message_id, 'unsubscribed', now(), withdraw.reason
    from (
        select messages.message_id
        from activation.messages
        inner join activation.editions using (edition_id)
        where messages.recipient_key = withdraw.recipient_key and messages.accepted_at is not null
        order by
            coalesce(editions.specification #>> '{campaign,topic}' = any(topics), false) desc,
            messages.accepted_at desc
        limit 1
    ) as latest
    where not exists (
        select from activation.message_events as known
        where known.message_id = latest.message_id and known.event = 'unsubscribed'
    )
    on conflict do nothing;
end
$$;

create function public_pages.preferences(recipient_key text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    address text;
    wanted text[];
begin
    select recipients.email into address
    from activation.recipients
    where recipients.recipient_key = preferences.recipient_key;
    -- Before the first run there is no such table.
    if to_regclass('marts.consents') is not null then
        select array_agg(consents.topic order by consents.topic) into wanted
        from marts.consents
        where
            consents.email = address
            and consents.channel = 'email'
            and consents.is_granted
            and not exists (
                select from activation.suppressions
                where
                    suppressions.recipient_key = preferences.recipient_key
                    and suppressions.topic in (consents.topic, 'all')
                    and (consents.confirmed_at > suppressions.suppressed_at) is not true
            );
    end if;
    return jsonb_build_object(
        'address',
        left(address, 1) || '***@' || left(split_part(address, '@', 2), 1) || '***'
        || coalesce(substring(address from '[.][^.@]*$'), ''),
        'topics', to_jsonb(coalesce(wanted, '{}'))
    );
end
$$;
comment on function public_pages.preferences is
    'The masked address and the topics it gets mail about: {"address": text or null, "topics": [text]}.';

create function public_pages.is_recipient_key(key_id text, check_value text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select bool_or(known.key_id = $1 and known.check_value = $2) from activation.recipient_keys as known;
end;
comment on function public_pages.is_recipient_key is
    'Whether the warehouse''s recipients were made with this key; null where there is none yet.';

revoke all on all functions in schema public_pages from public;

-- Bodies are there for seconds: compressing them would cost more than they weigh.
alter table activation.webhook_bodies alter column body set storage external;
create index webhook_bodies_faulty on activation.webhook_bodies (received_at) where fault is not null;
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
