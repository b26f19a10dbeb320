{{ config(materialized='view') }}

with status_events as (
    -- A status that the source could not name says nothing about whether the ticket changed.
    select * from {{ ref('int_ticket_events') }}
    where kind = 'status' and status <> 'unknown'
),

compared as (
    select
        *,
        lag(status) over (
            partition by source, ticket_id
            order by occurred_at, event_sequence, event_id
        ) as previous_status
    from status_events
)

select
    source,
    event_id,
    ticket_id,
    previous_status,
    status,
    occurred_at as changed_at,
    row_number() over (
        partition by source, ticket_id
        order by occurred_at, event_sequence, event_id
    ) as position
from compared
where status is distinct from previous_status
