with changed as (
    select * from {{ ref('stg_changed_descriptions') }}
    {% if var('since_run_id') is none -%}
    where false
    {%- else -%}
    union
    {{ moved_facts(previous('int_descriptions_identified'), ['stream', 'source', 'record_id'], {
        'customer_number': 'customer_number', 'email': 'email', 'phone': 'phone', 'device': 'anonymous_id',
        'contact': 'contact_id',
    }) | indent(4) }}
    {%- endif %}
)

select * from changed
