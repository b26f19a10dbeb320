with seen as (
    select * from {{ ref('stg_changed_refunds') }}
),

{% if var('since_run_id') is none -%}
changed as (
    select * from seen
    where false
)
{%- else -%}
changed as (
    select * from seen
    union
    {{ moved_facts(previous('int_refunds_identified'), ['source', 'refund_id'], {
        'customer_number': 'customer_number', 'email': 'email', 'phone': 'phone', 'device': 'anonymous_id',
    }) | indent(4) }}
)
{%- endif %}

select * from changed
