-- One branch for each way of delivering, so that a condition on source and order reaches the index in each.
with whole_orders as (
    select
        *,
        coalesce(delivered_as, batch_id) as delivery,
        max(coalesce(delivered_as, batch_id)) over (partition by source, order_id) as newest_delivery
    from {{ source('raw', 'order_lines') }}
    where mode = 'replace_order' and {{ visible('ordered_at') }}
),

identified_lines as (
    select
        *,
        {{ recency(['order_id', 'line_id']) }} as recency
    from {{ source('raw', 'order_lines') }}
    where mode <> 'replace_order' and line_id is not null and {{ visible('ordered_at') }}
),

{% set columns = [
    'source', 'row_key', 'order_id', 'line_id', 'customer_number', 'email', 'phone', 'anonymous_id', 'first_name',
    'last_name', 'country', 'city', 'postal_code', 'time_zone', 'product_id', 'product_name', 'category',
    'line_kind', 'currency', 'order_status', 'sales_channel', 'quantity', 'unit_price', 'discount_amount',
    'tax_amount', 'ordered_at', 'batch_id', 'line_number',
] | join(', ') -%}

-- A line without line_id that was not part of a whole order has no versions: each one counts.
newest_lines as (
    select {{ columns }} from whole_orders
    where delivery = newest_delivery and not is_deleted
    union all
    select {{ columns }} from identified_lines
    where recency = 1 and not is_deleted
    union all
    select {{ columns }} from {{ source('raw', 'order_lines') }}
    where mode <> 'replace_order' and line_id is null and not is_deleted and {{ visible('ordered_at') }}
)

select
    source,
    row_key,
    order_id,
    line_id,
    {{ identity_columns() }},
    {{ cleaned('product_id') }} as product_id,
    {{ cleaned('product_name') }} as product_name,
    {{ cleaned('category') }} as category,
    {{ cleaned('line_kind') }} as line_kind,
    {{ cleaned('currency') }} as currency,
    {{ cleaned('order_status') }} as order_status,
    {{ cleaned('sales_channel') }} as sales_channel,
    quantity,
    unit_price,
    discount_amount,
    tax_amount,
    ordered_at,
    batch_id,
    line_number
from newest_lines
