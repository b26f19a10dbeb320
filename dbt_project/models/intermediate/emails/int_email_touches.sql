{{ config(materialized='view') }}

with messages as (
    select * from {{ ref('stg_messages') }}
),

events as (
    select * from {{ ref('stg_message_events') }}
    where event = 'delivered'
),

judged as (
    select * from {{ ref('int_judged_events') }}
    where is_human
),

-- Of what a person does often, the first time; what a machine opens nobody has opened.
firsts as (
    select
        message_id,
        event,
        min(occurred_at) as happened_at
    from events
    group by message_id, event
    union all
    select
        message_id,
        event,
        min(occurred_at) as happened_at
    from judged
    group by message_id, event
),

touches as (
    select
        messages.message_id,
        messages.customer_id,
        messages.campaign,
        'sent' as event,
        messages.accepted_at as happened_at
    from messages
    union all
    select
        messages.message_id,
        messages.customer_id,
        messages.campaign,
        firsts.event,
        firsts.happened_at
    from firsts
    inner join messages on firsts.message_id = messages.message_id
)

select
    'rapport' as source,
    message_id || ':' || event as record_id,
    customer_id,
    campaign,
    event,
    happened_at
from touches
