{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customer_products'), ['customer_id', 'source', 'product_key'], is_probed=true) }}",
    indexes=[{'columns': ['customer_id', 'product_key']}],
) }}

with {% if is_incremental() -%}
lines as (
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    inner join {{ ref('int_changed_customer_products') }} as changed
        on
            lines.customer_id = changed.customer_id
            and lines.source = changed.source
            and lines.product_id = changed.product_id
    union all
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    inner join {{ ref('int_changed_customer_products') }} as changed
        on lines.customer_id = changed.customer_id and lines.source = changed.source
    where lines.product_id is null and changed.product_id is null
),
{%- else -%}
lines as (
    select * from {{ ref('int_order_lines_identified') }}
),
{%- endif %}

purchases as (
    select
        *,
        coalesce(product_id, '') as product_key
    from lines
    where customer_id is not null and quantity > 0 and (line_kind = 'product' or line_kind is null)
)

select
    customer_id,
    source,
    product_key,
    category,
    max(product_name) as product_name,
    count(*) as line_count,
    sum(quantity) as quantity,
    {{ run_id() }} as run_id
from purchases
group by customer_id, source, product_key, category
