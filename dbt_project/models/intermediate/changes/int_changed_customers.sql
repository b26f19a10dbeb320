{% set facts = [
    'int_sessions_classified',
    'int_survey_responses_identified',
    'int_tickets_identified',
    'int_consent_decisions',
] %}

with moved as (
    select * from {{ ref('stg_identifier_changes') }}
),

removed as (
    select * from {{ ref('stg_removed_facts') }}
),

changed as (
    select old_customer_id as customer_id from moved
    union
    select new_customer_id as customer_id from moved
    union
    select customer_id from removed
    {% for fact in facts -%}
    union
    select customer_id from {{ ref(fact) }}
    where run_id > {{ var('since_run_id') if var('since_run_id') is not none else 'null' }}
    {% endfor %}
)

select customer_id from changed
where customer_id is not null
