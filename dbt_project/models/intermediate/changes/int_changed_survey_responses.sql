with seen as (
    select * from {{ ref('stg_changed_survey_responses') }}
),

{% if var('since_run_id') is none -%}
changed as (
    select source, response_id from seen
    where false
)
{%- else -%}
changed as (
    select source, response_id from seen
    union
    {{ moved_facts(previous('int_survey_responses_identified'), ['source', 'response_id'], {
        'customer_number': 'customer_number', 'email': 'email', 'phone': 'phone', 'device': 'anonymous_id',
    }) | indent(4) }}
)
{%- endif %}

select * from changed
