{{ config(tags=['since']) }}

select
    source,
    event_id,
    ticket_id,
    kind,
    batch_id
from {{ source('raw', 'ticket_events') }}
where {{ newly_seen('ticket_events') }}
