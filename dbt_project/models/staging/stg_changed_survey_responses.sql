{{ config(tags=['since']) }}

select distinct
    source,
    response_id
from {{ source('raw', 'survey_responses') }}
where {{ newly_seen('survey_responses') }}
