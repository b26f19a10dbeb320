{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_product_months'), ['source', 'product_id', 'month'], is_probed=true) }}",
    indexes=[{'columns': ['product_id', 'month']}],
) }}

with changed as (
    select * from {{ ref('int_changed_product_months') }}
),

lines as (
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    {% if is_incremental() -%}
    inner join changed
        on
            lines.source = changed.source
            and lines.product_id = changed.product_id
            and lines.ordered_at >= changed.month at time zone 'UTC'
            and lines.ordered_at < (changed.month + interval '1 month') at time zone 'UTC'
    {%- endif %}
    where
        lines.product_id is not null
        and lines.quantity > 0
        and (lines.line_kind = 'product' or lines.line_kind is null)
)

select
    source,
    product_id,
    currency,
    {{ month_of('ordered_at') }} as month,
    max(product_name) as product_name,
    max(category) as category,
    count(*) as line_count,
    sum(quantity) as quantity,
    sum(amount) as amount,
    case
        when bool_and({{ reporting_amount('amount', 'currency', 'ordered_at') }} is not null)
            then sum({{ reporting_amount('amount', 'currency', 'ordered_at') }})
    end as reporting_amount,
    min(ordered_at) as first_sold_at,
    max(ordered_at) as last_sold_at,
    {{ run_id() }} as run_id
from lines
group by source, product_id, currency, {{ month_of('ordered_at') }}
