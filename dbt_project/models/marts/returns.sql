with returns as (
    select * from {{ ref('int_returns_combined') }}
)

select
    source,
    return_key,
    origin,
    kind,
    order_id,
    tied_order_id,
    source || ':' || tied_order_id as tied_order_key,
    customer_id,
    returned_at,
    product_id,
    currency,
    quantity,
    amount
from returns
