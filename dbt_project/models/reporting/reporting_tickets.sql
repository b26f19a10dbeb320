{{ config(tags=['as_of'], alias='tickets') }}

with tickets as (
    select * from {{ ref('tickets') }}
)

select
    source,
    ticket_id,
    customer_id,
    status,
    channel,
    category,
    priority,
    team,
    is_open,
    reopen_count,
    reopening_count,
    reply_count,
    hand_over_count,
    csat_score,
    opened_at,
    updated_at,
    first_replied_at,
    solved_at,
    resolved_at,
    last_reopened_at,
    rated_at,
    first_reply_minutes,
    first_reply_business_minutes,
    resolution_minutes,
    resolution_business_minutes,
    agent_wait_minutes,
    agent_wait_business_minutes,
    customer_wait_minutes,
    customer_wait_business_minutes,
    is_first_reply_in_time,
    is_resolution_in_time,
    is_one_touch,
    is_first_contact_resolved
from tickets
