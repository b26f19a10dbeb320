-- Of each customer the timeline holds as many touches of each kind as the sources hold; looked at are those
-- whose facts have changed in this run.
{% set facts = {
    'order': 'int_orders_summed',
    'return': 'int_returns_combined',
    'ticket': 'int_tickets_enriched',
    'survey': 'int_survey_responses_identified',
} %}

with customers as (
    select customer_id from {{ ref('customers') }}
    {% if var('since_run_id') is not none -%}
    where {{ among(['customer_id'], ref('int_changed_customers')) }}
    {%- endif %}
),

told as (
    select
        touches.customer_id,
        touches.kind,
        count(*) as touch_count
    from {{ ref('customer_timeline') }} as touches
    inner join customers on touches.customer_id = customers.customer_id
    where touches.kind <> 'email'
    group by touches.customer_id, touches.kind
),

counted as (
    {% for kind, model in facts.items() -%}
    select
        customer_id,
        '{{ kind }}' as kind,
        count(*) as fact_count
    from {{ ref(model) }}
    inner join customers using (customer_id)
    group by customer_id
    union all
    {% endfor -%}
    select
        customer_id,
        'visit' as kind,
        count(*) as fact_count
    from {{ ref('sessions') }}
    inner join customers using (customer_id)
    group by customer_id
    union all
    select
        customer_id,
        'consent' as kind,
        count(distinct source || ':' || consent_id) as fact_count
    from {{ ref('int_consent_decisions') }}
    inner join customers using (customer_id)
    group by customer_id
)

select
    coalesce(told.customer_id, counted.customer_id) as customer_id,
    coalesce(told.kind, counted.kind) as kind,
    told.touch_count,
    counted.fact_count
from told
full join counted on told.customer_id = counted.customer_id and told.kind = counted.kind
where told.touch_count is distinct from counted.fact_count
