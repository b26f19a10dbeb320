{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_survey_responses'), ['source', 'response_id'], owner='customer_id') }}",
    indexes=[{'columns': ['source', 'response_id'], 'unique': true}, {'columns': ['customer_id']}, {'columns': ['about']}],
) }}

with changed as (
    select * from {{ ref('int_changed_survey_responses') }}
),

responses as (
    select * from {{ ref('stg_survey_responses') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'response_id'], 'changed') }}
    {%- endif %}
)

select
    responses.source,
    responses.response_id,
    {{ customer_of() }} as customer_id,
    responses.customer_number,
    responses.email,
    responses.phone,
    responses.anonymous_id,
    responses.metric,
    responses.about,
    responses.comment,
    responses.score,
    responses.responded_at,
    {{ run_id() }} as run_id
from responses
{% if is_incremental() -%}
inner join changed on responses.source = changed.source and responses.response_id = changed.response_id
{%- endif %}
{{ join_customers('responses') }}
