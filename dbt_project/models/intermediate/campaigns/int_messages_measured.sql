{{ config(tags=['as_of'], materialized='view') }}

-- Holdouts get no mail and are measured like those who do, from the time it would have been due.
with messages as (
    select * from {{ ref('stg_messages_now') }}
),

editions as (
    select * from {{ ref('stg_editions') }}
),

redirects as (
    select * from {{ ref('stg_merges') }}
)

select
    messages.message_id,
    messages.edition_id,
    messages.arm,
    messages.variant,
    coalesce(messages.accepted_at < {{ as_of() }}, false) as is_accepted,
    messages.planned_customer_id,
    coalesce(redirects.customer_id, messages.planned_customer_id) as customer_id,
    cast(messages.due_at at time zone 'UTC' as date) as day,
    messages.due_at as opens_at,
    messages.due_at + editions.goal_within as closes_at,
    messages.due_at + editions.goal_within + editions.return_period as settles_at,
    editions.goal_event
from messages
inner join editions on messages.edition_id = editions.edition_id
left join redirects on messages.planned_customer_id = redirects.old_customer_id
where messages.arm is not null or messages.accepted_at < {{ as_of() }}
