with headers as (
    select * from {{ ref('stg_changed_orders') }}
),

lines as (
    select * from {{ ref('stg_changed_order_lines') }}
),

{% if var('since_run_id') is none -%}
changed as (
    select * from headers
    where false
    union
    select * from lines
    where false
)
{%- else -%}
changed as (
    select * from headers
    union
    select * from lines
    union
    {{ moved_facts(previous('int_order_buyers'), ['source', 'order_id'], {
        'customer_number': 'customer_number', 'email': 'email', 'phone': 'phone', 'device': 'anonymous_id',
    }) | indent(4) }}
)
{%- endif %}

select * from changed
