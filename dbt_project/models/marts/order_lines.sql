{{ config(materialized='view') }}

select
    source,
    line_key,
    order_id,
    source || ':' || order_id as order_key,
    line_id,
    customer_id,
    ordered_at,
    product_id,
    product_name,
    category,
    coalesce(line_kind, 'product') as line_kind,
    currency,
    quantity,
    unit_price,
    amount,
    discount_amount,
    tax_amount,
    quantity < 0 as is_return,
    run_id
from {{ ref('int_order_lines_identified') }}
