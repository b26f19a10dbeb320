{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_order_nets'), ['source', 'order_id'], remember={
        'order_day': [day_of('ordered_at')],
    }) }}",
) }}

with changed as (
    select * from {{ ref('int_changed_order_nets') }}
),

orders as (
    select orders.* from {{ ref('int_orders_summed') }} as orders
    {% if is_incremental() -%}
    inner join changed on orders.source = changed.source and orders.order_id = changed.order_id
    {%- endif %}
),

returns as (
    select * from {{ ref('int_returns_combined') }}
    {% if is_incremental() -%}
    where tied_order_id = any(array(select changed.order_id from changed))
    {%- endif %}
),

returned as (
    select
        source,
        tied_order_id as order_id,
        sum(amount) as returned_amount
    from returns
    where tied_order_id is not null
    group by source, tied_order_id
)

select
    orders.source,
    orders.order_id,
    orders.order_key,
    orders.customer_id,
    orders.ordered_at,
    orders.currency,
    orders.gross_amount,
    -- Lines of several currencies make no sum, and neither do their returns.
    case
        when orders.gross_amount is not null then coalesce(returned.returned_amount, 0)
    end as returned_amount,
    orders.gross_amount + coalesce(returned.returned_amount, 0) as net_amount,
    orders.line_count,
    orders.quantity,
    orders.discount_amount,
    orders.tax_amount,
    orders.shipping_amount,
    orders.total_amount,
    orders.prices_include_tax,
    orders.discount_granted,
    orders.header_difference,
    orders.order_status,
    orders.sales_channel,
    orders.cancelled_at,
    {{ run_id() }} as run_id
from orders
left join returned
    on orders.source = returned.source and orders.order_id = returned.order_id
