-- Portable SQL only (see stg_web_events).
with events as (
    select * from {{ ref('stg_web_events') }}
),

-- Whose visit it is: the device's; without one, the customer's; with neither, nobody's and no session.
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
        case
            when anonymous_id is not null then {{ dbt.concat(["'device:'", "anonymous_id"]) }}
            when customer_id is not null then {{ dbt.concat(["'customer:'", "customer_id"]) }}
        end as visitor
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
        anonymous_id,
        customer_id,
        event_name,
        page_url,
        referrer,
        utm_source,
        utm_medium,
        utm_campaign,
        product_id,
        value,
        occurred_at
    from numbered
)

select * from sessionized
