{{ config(materialized='view') }}

-- Portable SQL only (see stg_web_events).
with events as (
    select * from {{ ref('int_web_events_sessionized') }}
    where session_id is not null
),

positioned as (
    select
        events.*,
        row_number() over (partition by session_id order by occurred_at, source, event_id) as position,
        row_number() over (partition by session_id order by occurred_at desc, source desc, event_id desc)
            as position_from_end,
        row_number() over (
            partition by session_id
            order by
                case when customer_id is null then 1 else 0 end,
                occurred_at desc,
                source desc,
                event_id desc
        ) as customer_position,
        lag(occurred_at, {{ var('bot_burst_events') | int - 1 }}) over (
            partition by session_id order by occurred_at, source, event_id
        ) as burst_from
    from events
),

sessions as (
    select
        session_id,
        max(case when position = 1 then source end) as source,
        max(anonymous_id) as anonymous_id,
        max(case when customer_position = 1 then customer_id end) as customer_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        count(*) as event_count,
        max(case when position = 1 then page_url end) as entry_page,
        max(case when position_from_end = 1 then page_url end) as exit_page,
        max(case when position = 1 then referrer end) as referrer,
        max(case when position = 1 then utm_source end) as utm_source,
        max(case when position = 1 then utm_medium end) as utm_medium,
        max(case when position = 1 then utm_campaign end) as utm_campaign,
        max(case when position = 1 then user_agent end) as user_agent,
        max(case when event_name = 'add_to_cart' then 1 else 0 end) = 1 as has_cart,
        max(case when event_name = 'checkout_started' then 1 else 0 end) = 1 as has_checkout,
        max(case when event_name = 'purchase' then 1 else 0 end) = 1 as has_purchase,
        max(case
            when occurred_at < {{ dbt.dateadd('second', var('bot_burst_seconds'), 'burst_from') }} then 1
            else 0
        end) = 1 as is_burst
    from positioned
    group by session_id
)

select * from sessions
