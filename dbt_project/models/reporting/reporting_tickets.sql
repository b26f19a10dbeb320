{{ config(alias='tickets') }}

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
    csat_score,
    opened_at,
    updated_at,
    first_replied_at,
    solved_at,
    last_reopened_at,
    rated_at
from tickets
