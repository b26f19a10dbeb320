-- Portable SQL only: visits are what outgrows one PostgreSQL first.
with events as (
    select * from {{ source('raw', 'web_events') }}
    where {{ visible('occurred_at') }}
)

select
    source,
    event_id,
    {{ identity_columns() }},
    {{ cleaned('event_name') }} as event_name,
    {{ cleaned('page_url') }} as page_url,
    {{ cleaned('referrer') }} as referrer,
    {{ cleaned('utm_source') }} as utm_source,
    {{ cleaned('utm_medium') }} as utm_medium,
    {{ cleaned('utm_campaign') }} as utm_campaign,
    {{ cleaned('product_id') }} as product_id,
    value,
    coalesce(
        {{ json_text('properties', 'user_agent') }},
        {{ json_text('properties', 'userAgent') }}
    ) as user_agent,
    properties,
    occurred_at,
    batch_id,
    line_number
from events
where not is_deleted
