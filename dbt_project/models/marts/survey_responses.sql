{{ config(materialized='view') }}

with responses as (
    select * from {{ ref('int_survey_responses_identified') }}
)

select
    source,
    response_id,
    customer_id,
    metric,
    about,
    comment,
    score,
    responded_at
from responses
