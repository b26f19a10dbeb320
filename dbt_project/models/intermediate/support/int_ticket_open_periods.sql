{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_ticket_days'), ['source', 'ticket_id']) }}",
    indexes=[
        {'columns': ['ticket_id', 'source', 'period'], 'unique': true},
        {'columns': ["tstzrange(began_at, ended_at, '(]')"], 'type': 'gist'},
    ],
) }}

with changed as (
    select * from {{ ref('int_changed_ticket_days') }}
),

tickets as (
    select * from {{ ref('int_tickets_enriched') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'ticket_id'], 'changed') }}
    {%- endif %}
),

spans as (
    select
        *,
        coalesce(previous_status in ('solved', 'closed'), false) as was_finished,
        status in ('solved', 'closed') as is_finished,
        lead(position) over (partition by source, ticket_id order by position) is null as is_last
    from {{ ref('int_ticket_spans') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'ticket_id'], 'changed') }}
    {%- endif %}
),

-- The states make the history; where the newest version says otherwise than the last of them, or no states
-- are told, the ticket turned by that version.
turns as (
    select
        source,
        ticket_id,
        coalesce(opened_at, least(resolved_at, updated_at)) as turned_at,
        true as is_open,
        cast(0 as bigint) as position
    from tickets
    union all
    select
        source,
        ticket_id,
        started_at as turned_at,
        not is_finished as is_open,
        position
    from spans
    where was_finished <> is_finished
    union all
    select
        tickets.source,
        tickets.ticket_id,
        case
            when tickets.is_open then tickets.updated_at
            else coalesce(tickets.resolved_at, tickets.updated_at)
        end as turned_at,
        tickets.is_open,
        coalesce(spans.position, 0) + 1 as position
    from tickets
    left join spans
        on tickets.source = spans.source and tickets.ticket_id = spans.ticket_id and spans.is_last
    where tickets.is_open = coalesce(spans.is_finished, false)
),

-- A ticket that was solved before it was opened is opened and solved at once.
ordered as (
    select
        source,
        ticket_id,
        is_open,
        position,
        max(turned_at) over (
            partition by source, ticket_id
            order by position
            rows unbounded preceding
        ) as turned_at
    from turns
),

periods as (
    select
        *,
        lead(turned_at) over (partition by source, ticket_id order by position) as ended_at
    from ordered
)

select
    periods.source,
    periods.ticket_id,
    periods.position as period,
    periods.position > 0 as is_reopening,
    periods.turned_at as began_at,
    periods.ended_at,
    min(periods.turned_at) over (partition by periods.source, periods.ticket_id) as first_began_at,
    tickets.channel,
    tickets.category,
    tickets.team,
    {{ run_id() }} as run_id
from periods
inner join tickets on periods.source = tickets.source and periods.ticket_id = tickets.ticket_id
{% if is_incremental() -%}
inner join changed on periods.source = changed.source and periods.ticket_id = changed.ticket_id
{% endif -%}
where periods.is_open
