{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customers'), ['customer_id']) }}",
    indexes=[{'columns': ['customer_id', 'month'], 'unique': true}],
) }}

with changed as (
    select * from {{ ref('int_changed_customers') }}
),

sales as (
    select * from {{ ref('int_sales_converted') }}
    where
        customer_id is not null
        {% if is_incremental() -%}
        and {{ among(['customer_id'], 'changed') }}
        {%- endif %}
),

-- A tied return lowers the month of its order, an untied one the month it came in.
dated as (
    select
        *,
        {{ month_of('case when order_id is null then sold_at else rated_at end') }} as month
    from sales
),

months as (
    select
        customer_id,
        month,
        count(*) filter (where kind = 'order') as order_count,
        case when bool_and(reporting_amount is not null) then sum(reporting_amount) end as net_revenue
    from dated
    group by customer_id, month
)

select
    *,
    {{ run_id() }} as run_id
from months
