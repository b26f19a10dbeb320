{{ config(
    materialized='incremental',
    pre_hook="{{ forget(
        ref('int_changed_web_events'), ['source', 'event_id'], owner='customer_id', remember={'session': ['session_id']}
    ) }}",
    indexes=[
        {'columns': ['source', 'event_id'], 'unique': true},
        {'columns': ['visitor', 'occurred_at']},
        {'columns': ['session_id']},
        {'columns': ['customer_id', 'email']},
        {'columns': ['customer_number']},
        {'columns': ['phone']},
        {'columns': ['run_id']},
    ],
) }}

-- Portable SQL only (see stg_web_events).
with events as (
    select {{ web_event_columns('events') }}
    from {{ ref('int_changed_web_events') if is_incremental() else ref('stg_web_events') }} as events
),

identified as (
    select
        events.*,
        {{ customer_of() }} as customer_id
    from events
    {{ join_customers('events') }}
),

visitors as (
    select
        identified.*,
        {{ visitor() }} as visitor
    from identified
),

preceded as (
    select
        visitors.*,
        lag(occurred_at) over (partition by visitor order by occurred_at, source, event_id) as previous_at
    from visitors
),

-- A pause of exactly the gap is still the same visit.
marked as (
    select
        preceded.*,
        case
            when previous_at is null then 1
            when occurred_at > {{ dbt.dateadd('minute', var('session_gap_minutes'), 'previous_at') }} then 1
            else 0
        end as is_first
    from preceded
),

numbered as (
    select
        marked.*,
        sum(is_first) over (
            partition by visitor
            order by occurred_at, source, event_id
            rows between unbounded preceding and current row
        ) as session_number
    from marked
),

sessionized as (
    select
        source,
        event_id,
        case when visitor is not null then {{ dbt.hash(dbt.concat([
            "first_value(source) over (partition by visitor, session_number order by occurred_at, source, event_id)",
            "':'",
            "first_value(event_id) over (partition by visitor, session_number order by occurred_at, source, event_id)",
        ])) }} end as session_id,
        visitor,
        anonymous_id,
        customer_id,
        customer_number,
        email,
        phone,
        first_name,
        last_name,
        country,
        city,
        postal_code,
        time_zone,
        event_name,
        page_url,
        referrer,
        utm_source,
        utm_medium,
        utm_campaign,
        product_id,
        value,
        user_agent,
        occurred_at,
        {{ run_id() }} as run_id
    from numbered
)

select * from sessionized
