with revenue as (
    select * from {{ ref('int_customer_revenue') }}
)

select
    customer_id,
    currency,
    order_count,
    gross_amount,
    returned_amount,
    discount_amount,
    net_amount
from revenue
