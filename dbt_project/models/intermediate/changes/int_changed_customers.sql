{% set facts = [
    'int_sessions_classified',
    'int_survey_responses_identified',
    'int_tickets_identified',
    'int_consent_decisions',
    'int_order_buyers',
    'int_refunds_tied',
    'int_descriptions_identified',
] %}
{% set moments_of_amounts = {'int_orders_summed': 'ordered_at', 'int_returns_combined': 'returned_at'} %}

with moved as (
    select * from {{ ref('stg_identifier_changes') }}
),

removed as (
    select * from {{ ref('stg_removed_facts') }}
),

changed_rates as (
    select * from {{ ref('int_changed_rates') }}
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
    where {{ written_since() }}
    {% endfor %}
    {% for fact, moment in moments_of_amounts.items() -%}
    union
    select facts.customer_id from {{ ref(fact) }} as facts
    inner join changed_rates as rates
        on
            facts.currency = rates.currency
            and cast(facts.{{ moment }} at time zone 'UTC' as date) >= rates.valid_from
            and (
                cast(facts.{{ moment }} at time zone 'UTC' as date) < rates.valid_before
                or rates.valid_before is null
            )
    {% endfor %}
)

select customer_id from changed
where customer_id is not null
