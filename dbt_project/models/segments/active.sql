with customers as (
    select * from {{ ref('customers') }}
)

select
    customer_id,
    'last order ' || {{ day_of('last_order_at') }} || ', ' || {{ days_before('last_order_at') }} as reason,
    last_order_at,
    order_count
from customers
where last_order_at >= {{ before_as_of(days=var('active_days')) }}
