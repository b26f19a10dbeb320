{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customers'), ['customer_id']) }}",
    indexes=[{'columns': ['customer_id'], 'unique': true}],
) }}

{%- set theirs = 'customer_id is not null' -%}
{%- if is_incremental() -%}
{%- set theirs = among(['customer_id'], ref('int_changed_customers')) -%}
{%- endif %}

with answers as (
    select
        customer_id,
        metric,
        score,
        responded_at as answered_at,
        source,
        response_id as record_id
    from {{ ref('int_survey_responses_identified') }}
    where {{ theirs }}
    union all
    select
        customer_id,
        'csat' as metric,
        csat_score as score,
        rated_at as answered_at,
        source,
        ticket_id as record_id
    from {{ ref('int_tickets_enriched') }}
    where csat_score is not null and {{ theirs }}
),

last_answers as (
    select distinct on (customer_id, metric) *
    from answers
    order by customer_id, metric, answered_at desc, source, record_id
)

select
    customer_id,
    max(score) filter (where metric = 'csat') as last_csat_score,
    max(answered_at) filter (where metric = 'csat') as last_csat_at,
    max(score) filter (where metric = 'nps') as last_nps_score,
    max(answered_at) filter (where metric = 'nps') as last_nps_at,
    {{ run_id() }} as run_id
from last_answers
where metric in ('csat', 'nps')
group by customer_id
