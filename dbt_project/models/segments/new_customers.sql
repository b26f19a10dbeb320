with customers as (
    select * from {{ ref('customers') }}
)

select
    customer_id,
    'first order ' || {{ day_of('first_order_at') }} || ', ' || {{ days_before('first_order_at') }} as reason,
    first_order_at,
    order_count
from customers
where first_order_at >= {{ before_as_of(days=var('new_customer_days')) }}
