with customers as (
    select * from {{ ref('customers') }}
)

select
    customer_id,
    order_count || ' orders since ' || {{ day_of('first_order_at') }}
    || ', the last on ' || {{ day_of('last_order_at') }} as reason,
    first_order_at,
    last_order_at,
    order_count
from customers
where
    order_count >= {{ var('loyal_min_orders') }}
    and last_order_at >= {{ before_as_of(days=var('lapsed_days')) }}
