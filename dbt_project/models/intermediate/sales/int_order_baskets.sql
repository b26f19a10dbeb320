{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_orders'), ['source', 'order_id'], is_probed=true) }}",
    indexes=[{'columns': ['order_id', 'source'], 'unique': true}],
) }}

with lines as (
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    {% if is_incremental() -%}
    inner join {{ ref('int_changed_orders') }} as changed
        on lines.source = changed.source and lines.order_id = changed.order_id
    {%- endif %}
    where
        lines.quantity > 0
        and lines.product_id is not null
        and (lines.line_kind = 'product' or lines.line_kind is null)
)

select
    source,
    order_id,
    array_agg(distinct product_id) as product_ids,
    {{ run_id() }} as run_id
from lines
group by source, order_id
