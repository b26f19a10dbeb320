{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['customer_id', 'source', 'product_key'],
    pre_hook="{{ forget(
        '(select * from ' ~ ref('int_changed_customer_products') ~ ' where not is_added_to)',
        ['customer_id', 'source', 'product_key'], is_probed=true
    ) }}",
    indexes=[{'columns': ['customer_id', 'product_key']}, {'columns': ['run_id']}],
) }}

-- What lines were only added to is added to; the rest is counted from its lines.
with {% if is_incremental() -%}
changed as (
    select * from {{ ref('int_changed_customer_products') }}
),

lines as (
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    inner join changed
        on
            lines.customer_id = changed.customer_id
            and lines.source = changed.source
            and lines.product_id = changed.product_id
    where not changed.is_added_to
    union all
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    inner join changed on lines.customer_id = changed.customer_id and lines.source = changed.source
    where lines.product_id is null and changed.product_id is null and not changed.is_added_to
    union all
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    inner join changed
        on
            lines.customer_id = changed.customer_id
            and lines.source = changed.source
            and coalesce(lines.product_id, '') = changed.product_key
    where changed.is_added_to and lines.{{ written_since() }}
),

counted as (
    select counted.* from {{ this }} as counted
    inner join changed
        on
            counted.customer_id = changed.customer_id
            and counted.source = changed.source
            and counted.product_key = changed.product_key
    where changed.is_added_to
),
{%- else -%}
lines as (
    select * from {{ ref('int_order_lines_identified') }}
),
{%- endif %}

purchases as (
    select
        customer_id,
        source,
        coalesce(product_id, '') as product_key,
        category,
        product_name,
        1 as line_count,
        quantity
    from lines
    where customer_id is not null and quantity > 0 and (line_kind = 'product' or line_kind is null)
    {% if is_incremental() -%}
    union all
    select
        customer_id,
        source,
        product_key,
        category,
        product_name,
        line_count,
        quantity
    from counted
    {%- endif %}
)

select
    customer_id,
    source,
    product_key,
    category,
    max(product_name) as product_name,
    cast(sum(line_count) as bigint) as line_count,
    sum(quantity) as quantity,
    {{ run_id() }} as run_id
from purchases
group by customer_id, source, product_key, category
