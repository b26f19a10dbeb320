with responses as (
    select * from {{ ref('stg_survey_responses') }}
)

select
    responses.source,
    responses.response_id,
    {{ customer_of() }} as customer_id,
    responses.metric,
    responses.about,
    responses.comment,
    responses.score,
    responses.responded_at
from responses
{{ join_customers('responses') }}
