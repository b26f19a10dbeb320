{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_service_days'), ['service_date']) }}",
    indexes=[{'columns': ['service_date']}],
) }}

{%- set steps = [
    'opened', 'solved', 'reopened', 'backlog', 'over_1_day', 'over_7_days', 'over_30_days', 'opened_day',
] %}

with changed as (
    select * from {{ ref('int_changed_service_days') }}
),

ticket_days as (
    select * from {{ ref('int_ticket_days') }}
    {% if is_incremental() -%}
    where {{ among(['service_date'], 'changed') }}
    {%- endif %}
)

select
    service_date,
    source,
    channel,
    category,
    team,
    {% for measure in steps -%}
    cast(sum({{ measure }}) as bigint) as {{ measure }},
    {% endfor -%}
    count(*) filter (where is_replied) as replied,
    count(*) filter (where is_resolved) as resolved,
    {% for what in ['first_reply', 'resolution'] -%}
    {% for minutes in [what ~ '_minutes', what ~ '_business_minutes'] -%}
    count({{ minutes }}) as {{ minutes }}_known,
    sum({{ minutes }}) as {{ minutes }},
    round(cast(percentile_cont(0.5) within group (order by {{ minutes }}) as numeric), 2)
        as median_{{ minutes }},
    {% endfor -%}
    count(is_{{ what }}_in_time) as {{ what }}_promised,
    count(*) filter (where is_{{ what }}_in_time) as {{ what }}_in_time,
    {% endfor -%}
    count(is_one_touch) as one_touch_known,
    count(*) filter (where is_one_touch) as one_touch,
    count(is_first_contact_kept) as first_contact_known,
    count(*) filter (where is_first_contact_kept) as first_contact,
    {{ run_id() }} as run_id
from ticket_days
group by service_date, source, channel, category, team
