with tickets as (
    select * from {{ ref('int_tickets_enriched') }}
)

select
    source,
    ticket_id,
    customer_id,
    status,
    subject,
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
