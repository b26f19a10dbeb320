with changed as (
    select * from {{ ref('stg_changed_survey_responses') }}
    {% if var('since_run_id') is none -%}
    where false
    {%- else -%}
    union
    {{ moved_facts(previous('int_survey_responses_identified'), ['source', 'response_id'], {
        'customer_number': 'customer_number', 'email': 'email', 'phone': 'phone', 'device': 'anonymous_id',
    }) | indent(4) }}
    {%- endif %}
)

select * from changed
