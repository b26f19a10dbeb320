{{ config(materialized='view') }}

-- A tied return is worth what its order was worth: both at the rate of the order's day. Orders are not named
-- in a `with`: used twice, it would be read whole, whoever's sales are asked for.
with sales as (
    select
        customer_id,
        source,
        'order' as kind,
        order_key as sale_key,
        order_id,
        currency,
        gross_amount as amount,
        discount_granted,
        ordered_at as sold_at,
        ordered_at as rated_at
    from {{ ref('int_orders_summed') }}
    union all
    select
        returns.customer_id,
        returns.source,
        'return' as kind,
        returns.return_key as sale_key,
        returns.tied_order_id as order_id,
        returns.currency,
        returns.amount,
        cast(null as numeric) as discount_granted,
        returns.returned_at as sold_at,
        coalesce(orders.ordered_at, returns.returned_at) as rated_at
    from {{ ref('int_returns_combined') }} as returns
    left join {{ ref('int_orders_summed') }} as orders
        on returns.source = orders.source and returns.tied_order_id = orders.order_id
)

select
    *,
    {{ reporting_amount('amount', 'currency', 'rated_at') }} as reporting_amount,
    {{ reporting_amount('discount_granted', 'currency', 'rated_at') }} as reporting_discount
from sales
