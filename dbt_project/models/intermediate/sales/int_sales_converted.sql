-- A tied return is worth what its order was worth: both at the rate of the order's day.
with orders as (
    select * from {{ ref('int_orders_summed') }}
),

returns as (
    select * from {{ ref('int_returns_combined') }}
),

rates as (
    select * from {{ ref('int_exchange_rates_dated') }}
),

sales as (
    select
        customer_id,
        source,
        'order' as kind,
        order_key as sale_key,
        order_id,
        currency,
        gross_amount as amount,
        ordered_at as sold_at,
        ordered_at as rated_at
    from orders
    union all
    select
        returns.customer_id,
        returns.source,
        'return' as kind,
        returns.return_key as sale_key,
        returns.tied_order_id as order_id,
        returns.currency,
        returns.amount,
        returns.returned_at as sold_at,
        coalesce(orders.ordered_at, returns.returned_at) as rated_at
    from returns
    left join orders
        on returns.source = orders.source and returns.tied_order_id = orders.order_id
),

converted as (
    select
        sales.*,
        case
            when sales.currency = '{{ var("reporting_currency") }}' then sales.amount
            else sales.amount * rates.rate
        end as reporting_amount
    from sales
    left join rates
        on
            sales.currency = rates.from_currency
            and (sales.rated_at at time zone 'UTC')::date >= rates.valid_from
            and (
                rates.valid_before is null
                or (sales.rated_at at time zone 'UTC')::date < rates.valid_before
            )
)

select * from converted
