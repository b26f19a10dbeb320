-- Each event that has a visitor is in exactly one visit, of a person or of a machine. Looked at are those
-- that this run has told: the others were looked at when they were told.
with events as (
    select * from {{ ref('int_web_events_sessionized') }}
    {% if var('since_run_id') is not none -%}
    where {{ written_since() }}
    {%- endif %}
),

visits as (
    select
        session_id,
        event_count,
        run_id
    from {{ ref('sessions') }}
    union all
    select
        session_id,
        event_count,
        run_id
    from {{ ref('bot_sessions') }}
),

told as (
    select * from visits
    {% if var('since_run_id') is not none -%}
    where {{ written_since() }}
    {%- endif %}
),

counted as (
    select
        session_id,
        count(*) as event_count
    from events
    where anonymous_id is not null or customer_id is not null
    group by session_id
)

select
    coalesce(counted.session_id, told.session_id) as session_id,
    counted.event_count,
    told.event_count as event_count_of_visits
from counted
full join told on counted.session_id = told.session_id
where counted.event_count is distinct from told.event_count or counted.session_id is null
