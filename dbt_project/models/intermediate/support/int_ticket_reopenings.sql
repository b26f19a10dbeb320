with status_changes as (
    select * from {{ ref('int_ticket_status_changes') }}
)

select
    source,
    event_id,
    ticket_id,
    previous_status,
    status,
    changed_at as reopened_at
from status_changes
where previous_status in ('solved', 'closed') and status not in ('solved', 'closed')
