-- Portable SQL only (see stg_web_events).
with sessions as (
    select * from {{ ref('int_sessions_summed') }}
    where customer_id is not null
),

visits as (
    select
        customer_id,
        count(*) as session_count,
        min(started_at) as first_seen_at,
        max(ended_at) as last_seen_at
    from sessions
    group by customer_id
)

select * from visits
