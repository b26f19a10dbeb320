with days as (
    select * from {{ ref('int_changed_service_days') }}
)

{% for period in ['week', 'month'] -%}
select distinct
    '{{ period }}' as period,
    cast(date_trunc('{{ period }}', cast(service_date as timestamp)) as date) as period_start
from days
{{ 'union all' if not loop.last }}
{% endfor %}
