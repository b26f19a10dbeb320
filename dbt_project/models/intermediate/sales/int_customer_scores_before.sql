{{ config(tags=['as_of']) }}

{%- set then = before_as_of(days=var('rfm_move_days')) %}

with sales as (
    select * from {{ ref('int_customer_sales') }}
    where order_count > 0 and first_order_at < {{ then }}
),

-- Who has ordered nothing since stood then where the last order left them: only the others' orders are read.
active as (
    select * from sales
    where last_order_at >= {{ then }}
),

orders_before as (
    select
        customer_id,
        count(*) as order_count,
        max(ordered_at) as last_order_at
    from {{ ref('int_orders_summed') }}
    where {{ among(['customer_id'], 'active') }} and ordered_at < {{ then }}
    group by customer_id
),

standings as (
    select
        sales.customer_id,
        coalesce(orders_before.order_count, sales.order_count) as order_count,
        coalesce(orders_before.last_order_at, sales.last_order_at) as last_order_at
    from sales
    left join orders_before on sales.customer_id = orders_before.customer_id
)

select
    customer_id,
    {{ quintile('last_order_at') }} as recency_score,
    {{ quintile('order_count') }} as frequency_score
from standings
