with orders as (
    select * from {{ ref('int_orders_summed') }}
    where customer_id is not null
),

returns as (
    select * from {{ ref('int_returns_combined') }}
    where customer_id is not null
),

amounts as (
    select
        customer_id,
        currency,
        1 as order_count,
        gross_amount,
        0 as returned_amount
    from orders
    union all
    select
        customer_id,
        currency,
        0 as order_count,
        0 as gross_amount,
        amount as returned_amount
    from returns
),

revenue as (
    select
        customer_id,
        currency,
        sum(order_count) as order_count,
        case when bool_and(gross_amount is not null) then sum(gross_amount) end as gross_amount,
        sum(returned_amount) as returned_amount,
        case
            when bool_and(gross_amount is not null) then sum(gross_amount + returned_amount)
        end as net_amount
    from amounts
    group by customer_id, currency
)

select * from revenue
