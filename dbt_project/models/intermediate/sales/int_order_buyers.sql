{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_orders'), ['source', 'order_id'], owner='customer_id') }}",
    indexes=[{'columns': ['order_id', 'source']}, {'columns': ['customer_id']}, {'columns': ['run_id']}],
) }}

{#- The first to ask whose a fact is: the test identity_is_of_this_run hangs on it and stops what follows. -#}
-- depends_on: {{ ref('stg_identity_watermark') }}
{%- set identity = [
    'customer_number', 'email', 'phone', 'anonymous_id', 'first_name', 'last_name', 'country', 'city',
    'postal_code', 'time_zone',
] | join(', ') %}

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

-- Most orders name the same person in every line: asking once an order is asking a tenth as often.
lines_by_identity as (
    select
        source,
        order_id,
        {{ identity }},
        ordered_at,
        batch_id,
        min(line_number) as line_number
    from lines
    group by source, order_id, {{ identity }}, ordered_at, batch_id
),

buyers as (
    select
        lines.source,
        lines.order_id,
        {{ identity }},
        lines.ordered_at,
        lines.batch_id,
        lines.line_number,
        false as is_header
    from lines_by_identity as lines
    left join deleted_orders
        on lines.source = deleted_orders.source and lines.order_id = deleted_orders.order_id
    where deleted_orders.order_id is null
    union all
    select
        source,
        order_id,
        {{ identity }},
        ordered_at,
        batch_id,
        line_number,
        true as is_header
    from headers
)

select
    buyers.source,
    buyers.order_id,
    buyers.is_header,
    {{ customer_of() }} as customer_id,
    {{ identity }},
    buyers.ordered_at,
    buyers.batch_id,
    buyers.line_number,
    {{ run_id() }} as run_id
from buyers
{% if is_incremental() -%}
inner join changed on buyers.source = changed.source and buyers.order_id = changed.order_id
{%- endif %}
{{ join_customers('buyers') }}
