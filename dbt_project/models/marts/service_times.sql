{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_service_periods'), ['period', 'period_start']) }}",
) }}

{%- set groups = ['channel', 'category', 'team'] %}

with changed as (
    select * from {{ ref('int_changed_service_periods') }}
),

-- A day lies in a week and in a month.
dated as (
    {% for period in ['week', 'month'] -%}
    select
        ticket_days.*,
        '{{ period }}' as period,
        cast(date_trunc('{{ period }}', cast(ticket_days.service_date as timestamp)) as date) as period_start
    from {{ ref('int_ticket_days') }} as ticket_days
    {% if is_incremental() -%}
    inner join changed
        on
            changed.period = '{{ period }}'
            and ticket_days.service_date >= changed.period_start
            and ticket_days.service_date < cast(changed.period_start + interval '1 {{ period }}' as date)
    {% endif -%}
    where ticket_days.is_replied or ticket_days.is_resolved
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    period,
    period_start,
    {% for name in groups -%}
    grouping({{ name }}) = 1 as is_any_{{ name }},
    {{ name }},
    {% endfor -%}
    {% for minutes in [
        'first_reply_minutes', 'first_reply_business_minutes', 'resolution_minutes', 'resolution_business_minutes',
    ] -%}
    count({{ minutes }}) as {{ minutes }}_count,
    {% for name, quantile in {'median': 0.5, 'slowest_tenth': 0.9}.items() -%}
    round(cast(percentile_cont({{ quantile }}) within group (order by {{ minutes }}) as numeric), 2)
        as {{ name }}_{{ minutes }},
    {% endfor -%}
    {% endfor -%}
    {{ run_id() }} as run_id
from dated
group by period, period_start, cube ({{ groups | join(', ') }})
