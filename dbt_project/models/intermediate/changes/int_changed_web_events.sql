-- Portable SQL only (see stg_web_events).
{% set gap = var('session_gap_minutes') | int %}

with arriving as (
    select * from {{ ref('int_changed_arrivals') }}
),

{% if var('since_run_id') is not none -%}
preceded as (
    select
        arriving.*,
        lag(occurred_at) over (partition by visitor order by occurred_at) as previous_at
    from arriving
    where visitor is not null
),

numbered as (
    select
        preceded.*,
        sum(case when occurred_at <= {{ dbt.dateadd('minute', gap, 'previous_at') }} then 0 else 1 end) over (
            partition by visitor
            order by occurred_at
            rows between unbounded preceding and current row
        ) as stretch
    from preceded
),

-- The times around which visits change: a long one is looked up once, not once an event.
stretches as (
    select
        visitor,
        min(occurred_at) as starts_at,
        max(occurred_at) as ends_at
    from numbered
    group by visitor, stretch
),

touched as (
    select events.session_id
    from stretches
    inner join {{ previous('int_web_events_sessionized') }} as events
        on
            stretches.visitor = events.visitor
            and events.occurred_at >= {{ dbt.dateadd('minute', -gap, 'stretches.starts_at') }}
            and events.occurred_at <= {{ dbt.dateadd('minute', gap, 'stretches.ends_at') }}
    union
    select events.session_id
    from arriving
    inner join {{ previous('int_web_events_sessionized') }} as events
        on arriving.source = events.source and arriving.event_id = events.event_id
    where events.session_id is not null
),

stored as (
    select * from {{ previous('int_web_events_sessionized') }}
    where {{ among(['session_id'], 'touched') }}
),

neighbours as (
    select {{ web_event_columns('stored') }}
    from stored
    left join arriving on stored.source = arriving.source and stored.event_id = arriving.event_id
    where arriving.event_id is null
),
{%- endif %}

changed as (
    select {{ web_event_columns('arriving') }}
    from arriving
    {% if var('since_run_id') is not none -%}
    union all
    select * from neighbours
    {%- endif %}
)

select * from changed
