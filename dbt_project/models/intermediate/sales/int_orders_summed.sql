{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_orders'), ['source', 'order_id']) }}",
    indexes=[
        {'columns': ['order_id', 'source'], 'unique': true},
        {'columns': ['customer_id']},
        {'columns': ['ordered_at']},
        {'columns': ['run_id']},
    ],
) }}

with changed as (
    select * from {{ ref('int_changed_orders') }}
),

lines as (
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    {% if is_incremental() -%}
    inner join changed on lines.source = changed.source and lines.order_id = changed.order_id
    {%- endif %}
    where lines.quantity > 0
),

headers as (
    select * from {{ ref('stg_orders') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'order_id'], 'changed') }}
    {%- endif %}
),

summed as (
    select
        source,
        order_id,
        min(customer_id) as customer_id,
        min(ordered_at) as ordered_at,
        count(*) as line_count,
        sum(quantity) as quantity,
        sum(amount) as gross_amount,
        sum(amount) filter (where line_kind = 'discount') as discount_lines_amount,
        sum(amount) filter (where line_kind = 'shipping') as shipping_lines_amount,
        sum(discount_amount) as line_discount_amount,
        min(currency) as currency,
        count(currency) = 0
        or (count(currency) = count(*) and min(currency) = max(currency)) as has_one_currency,
        case when min(order_status) = max(order_status) then min(order_status) end as order_status,
        case when min(sales_channel) = max(sales_channel) then min(sales_channel) end as sales_channel
    from lines
    group by source, order_id
),

orders as (
    select
        summed.source,
        summed.order_id,
        summed.source || ':' || summed.order_id as order_key,
        summed.customer_id,
        summed.ordered_at,
        case when summed.has_one_currency then summed.currency end as currency,
        case when summed.has_one_currency then summed.gross_amount end as gross_amount,
        summed.line_count,
        summed.quantity,
        headers.discount_amount,
        headers.tax_amount,
        headers.shipping_amount,
        headers.total_amount,
        headers.prices_include_tax,
        -- What the header says once may stand among the lines once more; only one of the two counts.
        case
            when summed.has_one_currency then coalesce(
                headers.discount_amount,
                summed.line_discount_amount - coalesce(summed.discount_lines_amount, 0),
                -summed.discount_lines_amount,
                0
            )
        end as discount_granted,
        case
            when summed.has_one_currency then headers.total_amount - (
                summed.gross_amount
                - case
                    when summed.discount_lines_amount is null then coalesce(headers.discount_amount, 0)
                    else 0
                end
                + case
                    when summed.shipping_lines_amount is null then coalesce(headers.shipping_amount, 0)
                    else 0
                end
                + case when headers.prices_include_tax then 0 else coalesce(headers.tax_amount, 0) end
            )
        end as header_difference,
        coalesce(headers.order_status, summed.order_status) as order_status,
        coalesce(headers.sales_channel, summed.sales_channel) as sales_channel,
        headers.cancelled_at
    from summed
    left join headers
        on summed.source = headers.source and summed.order_id = headers.order_id
)

select
    *,
    {{ run_id() }} as run_id
from orders
-- The orders of a time lie together, as if built day by day.
order by ordered_at
