{% set facts = [
    'int_sessions_classified',
    'int_survey_responses_identified',
    'int_tickets_identified',
    'int_consent_decisions',
    'int_order_buyers',
    'int_refunds_tied',
] %}

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
    union
    select orders.customer_id from {{ ref('int_orders_summed') }} as orders
    inner join changed_rates as rates
        on
            orders.currency = rates.currency
            and cast(orders.ordered_at at time zone 'UTC' as date) >= rates.valid_from
            and (
                cast(orders.ordered_at at time zone 'UTC' as date) < rates.valid_before
                or rates.valid_before is null
            )
    union
    select returns.customer_id from {{ ref('int_returns_combined') }} as returns
    inner join changed_rates as rates
        on
            returns.currency = rates.currency
            and cast(returns.returned_at at time zone 'UTC' as date) >= rates.valid_from
            and (
                cast(returns.returned_at at time zone 'UTC' as date) < rates.valid_before
                or rates.valid_before is null
            )
)

select customer_id from changed
where customer_id is not null
