{{ config(tags=['since']) }}

select distinct
    source,
    ticket_id
from {{ source('raw', 'ticket_versions') }}
where {{ newly_seen('ticket_versions') }}
