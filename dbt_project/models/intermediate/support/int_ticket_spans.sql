{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_tickets'), ['source', 'ticket_id']) }}",
    indexes=[{'columns': ['source', 'ticket_id', 'position'], 'unique': true}, {'columns': ['run_id']}],
) }}

with changed as (
    select * from {{ ref('int_changed_tickets') }}
),

tickets as (
    select * from {{ ref('int_tickets_identified') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'ticket_id'], 'changed') }}
    {%- endif %}
),

status_changes as (
    select * from {{ ref('int_ticket_status_changes') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'ticket_id'], 'changed') }}
    {%- endif %}
),

-- The first status told is taken to have held since the ticket was opened, unless it is a finished one; what
-- is told of the time before counts from the opening.
begun as (
    select
        status_changes.*,
        tickets.calendar,
        case
            when status_changes.previous_status is null and status_changes.status not in ('solved', 'closed')
                then coalesce(tickets.opened_at, status_changes.changed_at)
            else greatest(status_changes.changed_at, tickets.opened_at)
        end as started_at
    from status_changes
    inner join tickets
        on status_changes.source = tickets.source and status_changes.ticket_id = tickets.ticket_id
    {%- if is_incremental() %}
    inner join changed
        on status_changes.source = changed.source and status_changes.ticket_id = changed.ticket_id
    {%- endif %}
),

timed as (
    select
        *,
        {{ business_seconds('started_at', 'begun.calendar') }} as business_seconds_at_start
    from begun
),

spans as (
    select
        *,
        lead(started_at) over by_position as ended_at,
        lead(business_seconds_at_start) over by_position as business_seconds_at_end
    from timed
    window by_position as (partition by source, ticket_id order by position)
)

select
    source,
    ticket_id,
    position,
    event_id,
    previous_status,
    status,
    case
        when status in ('new', 'open', 'on_hold') then 'agent'
        when status = 'pending' then 'customer'
    end as waiting_for,
    started_at,
    ended_at,
    trim_scale(extract(epoch from ended_at - started_at)) as elapsed_seconds,
    trim_scale(business_seconds_at_end - business_seconds_at_start) as business_seconds,
    trim_scale(business_seconds_at_start) as business_seconds_at_start,
    {{ run_id() }} as run_id
from spans
