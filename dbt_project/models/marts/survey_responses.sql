{{ config(materialized='view') }}

select
    source,
    response_id,
    customer_id,
    metric,
    about,
    comment,
    score,
    responded_at
from {{ ref('int_survey_responses_identified') }}
