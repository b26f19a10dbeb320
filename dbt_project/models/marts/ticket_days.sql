{{ config(tags=['as_of'], materialized='view') }}

{%- set today = "cast(" ~ as_of() ~ " at time zone 'UTC' as date)" %}

select
    source,
    ticket_id,
    service_date,
    channel,
    category,
    team,
    opened as opened_count,
    solved as solved_count,
    reopened as reopened_count,
    is_replied,
    first_reply_minutes,
    first_reply_business_minutes,
    is_resolved,
    resolution_minutes,
    resolution_business_minutes,
    is_one_touch,
    case
        when service_date + 1 + {{ var('first_contact_days') }} <= {{ today }}
            then is_first_contact_kept
    end as is_first_contact_resolved
from {{ ref('int_ticket_days') }}
where service_date <= cast(({{ as_of() }} - interval '1 microsecond') at time zone 'UTC' as date)
