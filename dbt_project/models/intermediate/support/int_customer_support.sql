with tickets as (
    select * from {{ ref('int_tickets_enriched') }}
    where customer_id is not null
)

select
    customer_id,
    count(*) as ticket_count,
    count(*) filter (where is_open) as open_ticket_count,
    -- Where the source tells no states, its own count is what there is.
    count(*) filter (where coalesce(reopening_count, reopen_count) > 0) as reopened_ticket_count,
    max(coalesce(opened_at, updated_at)) as last_ticket_at
from tickets
group by customer_id
