with removed as (
    select * from {{ ref('stg_removed_keys') }}
    where kind in ('order_day', 'return_day')
),

orders as (
    select * from {{ ref('orders') }}
    where {{ written_since() }}
),

returns as (
    select * from {{ ref('returns') }}
    where {{ written_since() }} and tied_order_id is null
),

rates as (
    select * from {{ ref('int_changed_rates') }}
)

select cast(key ->> 0 as date) as revenue_date from removed
union
select cast(ordered_at at time zone 'UTC' as date) as revenue_date from orders
union
select cast(returned_at at time zone 'UTC' as date) as revenue_date from returns
{% if var('since_run_id') is not none -%}
union
select days.revenue_date
from {{ previous('revenue_daily', 'marts') }} as days
inner join rates
    on
        days.currency = rates.currency
        and days.revenue_date >= rates.valid_from
        and (days.revenue_date < rates.valid_before or rates.valid_before is null)
{%- endif %}
