with refunds as (
    select * from {{ ref('stg_refunds') }}
),

deleted_orders as (
    select * from {{ ref('stg_deleted_orders') }}
),

orders as (
    select * from {{ ref('int_orders_summed') }}
),

refund_customers as (
    select
        refunds.*,
        {{ customer_of() }} as own_customer_id
    from refunds
    left join deleted_orders
        on refunds.source = deleted_orders.source and refunds.order_id = deleted_orders.order_id
    {{ join_customers('refunds') }}
    where deleted_orders.order_id is null
),

-- A refund in another currency cannot be taken off its order.
tied as (
    select
        refunds.source,
        refunds.refund_id,
        refunds.order_id,
        orders.order_id as tied_order_id,
        case
            when orders.order_id is null then refunds.own_customer_id
            else orders.customer_id
        end as customer_id,
        refunds.product_id,
        refunds.kind,
        coalesce(refunds.currency, orders.currency) as currency,
        refunds.quantity,
        -refunds.amount as amount,
        refunds.refunded_at as returned_at
    from refund_customers as refunds
    left join orders
        on
            refunds.source = orders.source
            and refunds.order_id = orders.order_id
            and (refunds.currency is null or refunds.currency = orders.currency)
)

select * from tied
