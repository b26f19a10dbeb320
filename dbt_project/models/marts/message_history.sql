{{ config(materialized='view') }}

-- As it is now, and not as of the run: this is where people look why somebody has got a mail, or has not.
with editions as (
    select * from {{ ref('stg_editions_now') }}
),

events as (
    select * from {{ ref('stg_message_events_now') }}
),

judged as (
    select * from {{ ref('int_judged_events') }}
),

-- Two ways to whom a message belongs today; a coalesce of them would hide the customer from the index.
resolved as (
    select
        messages.*,
        messages.planned_customer_id as customer_id
    from {{ ref('stg_messages_now') }} as messages
    left join {{ ref('stg_merges') }} as redirects
        on messages.planned_customer_id = redirects.old_customer_id
    where redirects.old_customer_id is null
    union all
    select
        messages.*,
        redirects.customer_id
    from {{ ref('stg_merges') }} as redirects
    inner join {{ ref('stg_messages_now') }} as messages
        on redirects.old_customer_id = messages.planned_customer_id
)

select
    resolved.message_id,
    resolved.customer_id,
    resolved.planned_customer_id,
    resolved.campaign,
    resolved.edition_id,
    editions.step,
    editions.slot_at,
    editions.state as edition_state,
    editions.state_reason as edition_state_reason,
    resolved.arm,
    resolved.variant,
    resolved.state,
    resolved.state_reason,
    case
        {% for state, reasons in message_reasons().items() -%}
        {% for reason, sentence in reasons.items() -%}
        when resolved.state = '{{ state }}' and resolved.state_reason = '{{ reason }}' then '{{ sentence }}'
        {% endfor -%}
        {% endfor -%}
        when resolved.state = 'planned' and editions.state = 'held'
            then 'not sent yet: the edition is held' || coalesce(', ' || editions.state_reason, '')
        when resolved.state = 'planned' and editions.state = 'awaiting_approval'
            then 'not sent yet: the edition waits for somebody to approve it'
        when resolved.state = 'planned' and editions.state = 'paused'
            then 'not sent yet: the campaign is paused'
        when resolved.state = 'planned' then 'not sent yet: it is due later, or waits for its turn'
        when resolved.state = 'sending' then 'it is being handed over'
        when resolved.state = 'uncertain' then 'handed over, and no answer came; nobody knows yet'
        when resolved.state = 'unknown' then 'handed over without an answer; it was not sent again'
        when resolved.state = 'rejected' then 'the provider refused it'
        when resolved.delivery is not null then 'sent, and then ' || resolved.delivery
        when resolved.state = 'accepted' then 'sent'
        else resolved.state || coalesce(': ' || resolved.state_reason, '')
    end as what_became_of_it,
    resolved.entered_at,
    resolved.due_at,
    resolved.expires_at,
    resolved.claimed_at,
    resolved.accepted_at,
    resolved.delivery,
    resolved.delivery_at,
    happened.bounce_class,
    happened.first_clicked_at,
    happened.unsubscribed_at,
    happened.complained_at
from resolved
inner join editions on resolved.edition_id = editions.edition_id
left join lateral (
    select
        max(events.class) filter (where events.event = 'bounced') as bounce_class,
        min(events.occurred_at) filter (where events.event = 'unsubscribed') as unsubscribed_at,
        min(events.occurred_at) filter (where events.event = 'complained') as complained_at,
        (
            select min(judged.occurred_at) from judged
            where judged.message_id = resolved.message_id and judged.event = 'clicked' and judged.is_human
        ) as first_clicked_at
    from events
    where events.message_id = resolved.message_id
) as happened on true
