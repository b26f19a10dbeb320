with deliveries as (
    select
        *,
        {{ recency(['response_id']) }} as recency
    from {{ source('raw', 'survey_responses') }}
    where {{ visible('responded_at') }}
)

select
    source,
    response_id,
    {{ identity_columns() }},
    metric,
    {{ cleaned('comment') }} as comment,
    {{ cleaned('about') }} as about,
    score,
    responded_at,
    batch_id,
    line_number
from deliveries
where recency = 1 and not is_deleted
