{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_orders'), ['source', 'order_id'], remember={
        'line': ['customer_id', 'source', 'product_id', 'currency', month_of('ordered_at'), 'ordered_at'],
    }) }}",
    indexes=[
        {'columns': ['order_id', 'line_key', 'source'], 'unique': true},
        {'columns': ['customer_id', 'product_id', 'ordered_at', 'quantity']},
        {'columns': ['product_id', 'ordered_at']},
        {'columns': ['run_id']},
    ],
) }}

with changed as (
    select * from {{ ref('int_changed_orders') }}
),

lines as (
    select * from {{ ref('stg_order_lines') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'order_id'], 'changed') }}
    {%- endif %}
),

headers as (
    select * from {{ ref('stg_orders') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'order_id'], 'changed') }}
    {%- endif %}
),

deleted_orders as (
    select * from {{ ref('stg_deleted_orders') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'order_id'], 'changed') }}
    {%- endif %}
),

buyers as (
    select * from {{ ref('int_order_buyers') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'order_id'], 'changed') }}
    {%- endif %}
),

-- One order, one customer: else an order's net and its customer's would disagree.
order_customers as (
    select distinct on (source, order_id)
        source,
        order_id,
        customer_id
    from buyers
    where customer_id is not null
    order by source, order_id, is_header desc, ordered_at, batch_id, line_number
)

select
    lines.source,
    lines.row_key as line_key,
    lines.order_id,
    lines.line_id,
    order_customers.customer_id,
    lines.product_id,
    lines.product_name,
    lines.category,
    lines.line_kind,
    coalesce(lines.currency, headers.currency) as currency,
    lines.quantity,
    lines.unit_price,
    lines.quantity * lines.unit_price as amount,
    lines.discount_amount,
    lines.tax_amount,
    lines.order_status,
    lines.sales_channel,
    lines.ordered_at,
    lines.batch_id,
    lines.line_number,
    {{ run_id() }} as run_id
from lines
{% if is_incremental() -%}
inner join changed on lines.source = changed.source and lines.order_id = changed.order_id
{%- endif %}
left join headers
    on lines.source = headers.source and lines.order_id = headers.order_id
left join order_customers
    on lines.source = order_customers.source and lines.order_id = order_customers.order_id
left join deleted_orders
    on lines.source = deleted_orders.source and lines.order_id = deleted_orders.order_id
where deleted_orders.order_id is null
