-- Portable SQL only (see stg_web_events).
{% set built_before = var('since_run_id') is not none %}

with seen as (
    select {{ web_event_columns('events') }}
    from {{ ref('stg_new_web_events') }} as events
    {% if not built_before -%}
    where false
    {%- endif %}
),

{% if built_before -%}
moved_keys as (
    {{ moved_facts(previous('int_web_events_sessionized'), ['source', 'event_id'], {
        'customer_number': 'customer_number', 'email': 'email', 'phone': 'phone',
    }) | indent(4) }}
    union
    select
        events.source,
        events.event_id
    from {{ previous('int_web_events_sessionized') }} as events
    inner join {{ ref('stg_identifier_changes') }} as moved
        on events.visitor = {{ dbt.concat(["'device:'", "moved.value"]) }}
    where moved.kind = 'device'
),

moved as (
    select {{ web_event_columns('events') }}
    from {{ previous('int_web_events_sessionized') }} as events
    inner join moved_keys on events.source = moved_keys.source and events.event_id = moved_keys.event_id
    left join seen on events.source = seen.source and events.event_id = seen.event_id
    where seen.event_id is null
),
{%- endif %}

arriving as (
    select * from seen
    {% if built_before -%}
    union all
    select * from moved
    {%- endif %}
),

identified as (
    select
        arriving.*,
        {{ customer_of() }} as customer_id
    from arriving
    {{ join_customers('arriving') }}
),

visited as (
    select
        identified.*,
        {{ visitor() }} as visitor
    from identified
)

select * from visited
