{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customers'), ['customer_id']) }}",
    indexes=[{'columns': ['customer_id'], 'unique': true}],
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

-- A sum that leaves out what could not be converted would be a wrong number that looks right.
sums as (
    select
        customer_id,
        count(*) filter (where kind = 'order') as order_count,
        case
            when bool_and(reporting_amount is not null) filter (where kind = 'order') is not false
                then coalesce(sum(reporting_amount) filter (where kind = 'order'), 0)
        end as gross_revenue,
        case
            when bool_and(reporting_amount is not null) filter (where kind = 'return') is not false
                then coalesce(sum(reporting_amount) filter (where kind = 'return'), 0)
        end as returned_amount,
        case
            when bool_and(reporting_discount is not null) filter (where kind = 'order') is not false
                then coalesce(sum(reporting_discount) filter (where kind = 'order'), 0)
        end as discount_amount,
        bool_or(reporting_amount is null) as has_unconverted_revenue,
        min(sold_at) filter (where kind = 'order') as first_order_at,
        max(sold_at) filter (where kind = 'order') as last_order_at,
        (array_agg(sold_at order by sold_at desc) filter (where kind = 'order'))[2] as previous_order_at
    from sales
    group by customer_id
)

select
    *,
    gross_revenue + returned_amount as net_revenue,
    gross_revenue / nullif(order_count, 0) as average_order_value,
    cast(extract(epoch from last_order_at - first_order_at) / 86400 as numeric)
    / nullif(order_count - 1, 0) as average_days_between_orders,
    {{ run_id() }} as run_id
from sums
