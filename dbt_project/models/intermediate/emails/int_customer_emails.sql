{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

with messages as (
    select * from {{ ref('stg_messages') }}
),

events as (
    select * from {{ ref('int_judged_events') }}
),

-- A click tells of an opening that nobody reported.
touched as (
    select
        message_id,
        bool_or(event = 'clicked') as is_clicked,
        max(occurred_at) as last_touched_at
    from events
    where is_human
    group by message_id
),

counted as (
    select
        messages.customer_id,
        count(*) as email_count,
        count(touched.message_id) as opened_email_count,
        count(*) filter (where touched.is_clicked) as clicked_email_count,
        max(messages.accepted_at) as last_emailed_at,
        max(touched.last_touched_at) as last_email_touched_at
    from messages
    left join touched on messages.message_id = touched.message_id
    group by messages.customer_id
)

select * from counted
