{{ config(
    materialized='incremental',
    pre_hook=[
        "{{ forget(ref('int_changed_refunds'), ['source', 'refund_id'], owner='customer_id', remember={
            'return': ['source', 'return_key', 'order_id', 'tied_order_id', 'product_id'],
        }) }}",
        "{{ forget(ref('int_changed_returned_orders'), ['source', 'order_id'], owner='customer_id', remember={
            'return': ['source', 'return_key', 'order_id', 'tied_order_id', 'product_id'],
        }) }}",
    ],
    indexes=[
        {'columns': ['return_key', 'source'], 'unique': true},
        {'columns': ['refund_id', 'source']},
        {'columns': ['order_id', 'source']},
        {'columns': ['tied_order_id', 'source']},
        {'columns': ['customer_id']},
        {'columns': ['run_id']},
    ],
) }}

with refunds as (
    {% if is_incremental() -%}
    select refunds.* from {{ ref('int_refunds_identified') }} as refunds
    inner join {{ ref('int_changed_refunds') }} as changed
        on refunds.source = changed.source and refunds.refund_id = changed.refund_id
    union
    select refunds.* from {{ ref('int_refunds_identified') }} as refunds
    inner join {{ ref('int_changed_returned_orders') }} as changed
        on refunds.source = changed.source and refunds.order_id = changed.order_id
    {%- else -%}
    select * from {{ ref('int_refunds_identified') }}
    {%- endif %}
),

deleted_orders as (
    select * from {{ ref('stg_deleted_orders') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'order_id'], 'refunds') }}
    {%- endif %}
),

orders as (
    select * from {{ ref('int_orders_summed') }}
),

return_lines as (
    select * from {{ ref('int_return_lines_tied') }}
),

-- A refund in another currency cannot be taken off its order.
tied as (
    select
        refunds.source,
        refunds.refund_id,
        refunds.order_id,
        orders.order_id as tied_order_id,
        case
            when orders.order_id is null then refunds.customer_id
            else orders.customer_id
        end as customer_id,
        refunds.product_id,
        refunds.kind,
        coalesce(refunds.kind = 'return', refunds.product_id is not null or refunds.quantity is not null)
            as has_goods,
        coalesce(refunds.currency, orders.currency) as currency,
        refunds.quantity,
        refunds.amount,
        refunds.refunded_at as returned_at
    from refunds
    left join deleted_orders
        on refunds.source = deleted_orders.source and refunds.order_id = deleted_orders.order_id
    left join orders
        on
            refunds.source = orders.source
            and refunds.order_id = orders.order_id
            and (refunds.currency is null or refunds.currency = orders.currency)
    where deleted_orders.order_id is null
),

-- Goods that came back as a line, too: booked under the number that the refund names, or tied to that order.
booked as (
    select distinct
        tied.source,
        tied.refund_id
    from tied
    inner join return_lines
        on
            tied.source = return_lines.source
            and tied.order_id = return_lines.order_id
            and tied.currency is not distinct from return_lines.currency
            and (tied.product_id = return_lines.product_id or tied.product_id is null)
    where tied.has_goods
    union
    select distinct
        tied.source,
        tied.refund_id
    from tied
    inner join return_lines
        on
            tied.source = return_lines.source
            and tied.order_id = return_lines.tied_order_id
            and tied.currency is not distinct from return_lines.currency
            and (tied.product_id = return_lines.product_id or tied.product_id is null)
    where tied.has_goods
)

select
    tied.source,
    'refund:' || tied.refund_id as return_key,
    tied.refund_id,
    tied.order_id,
    tied.tied_order_id,
    tied.customer_id,
    tied.product_id,
    tied.kind,
    tied.has_goods,
    booked.refund_id is null as is_counted,
    tied.currency,
    tied.quantity,
    case when booked.refund_id is null then -tied.amount else 0 end as amount,
    -tied.amount as stated_amount,
    tied.returned_at,
    {{ run_id() }} as run_id
from tied
left join booked
    on tied.source = booked.source and tied.refund_id = booked.refund_id
