with months as (
    select * from {{ ref('int_changed_product_months') }}
),

removed as (
    select * from {{ ref('stg_removed_keys') }}
    where kind = 'return'
),

returns as (
    select * from {{ ref('int_returns_combined') }}
    where {{ written_since() }}
),

rates as (
    select * from {{ ref('int_changed_rates') }}
),

-- A return is worth what the rate of its order's day makes of it; months tell only of the days of sales.
rated as (
    select
        returns.source,
        returns.product_id,
        rates.valid_from,
        rates.valid_before,
        cast(coalesce(orders.ordered_at, returns.returned_at) at time zone 'UTC' as date) as rated_on
    from rates
    inner join {{ ref('int_returns_combined') }} as returns on rates.currency = returns.currency
    left join {{ ref('int_orders_summed') }} as orders
        on returns.source = orders.source and returns.tied_order_id = orders.order_id
),

changed as (
    select
        source,
        product_id
    from months
    union
    select
        key ->> 0 as source,
        key ->> 4 as product_id
    from removed
    union
    select
        source,
        product_id
    from returns
    union
    select
        source,
        product_id
    from rated
    where rated_on >= valid_from and (rated_on < valid_before or valid_before is null)
)

select * from changed
where product_id is not null
