{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_tickets'), ['source', 'ticket_id'], owner='customer_id') }}",
    indexes=[
        {'columns': ['source', 'ticket_id'], 'unique': true},
        {'columns': ['customer_id']},
        {'columns': ['run_id']},
    ],
) }}

with changed as (
    select * from {{ ref('int_changed_tickets') }}
),

tickets as (
    select * from {{ ref('stg_tickets') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'ticket_id'], 'changed') }}
    {%- endif %}
),

team_calendars as (
    select * from {{ service_hours('teams', 'team text, calendar text') }}
)

select
    tickets.source,
    tickets.ticket_id,
    {{ customer_of() }} as customer_id,
    tickets.customer_number,
    tickets.email,
    tickets.phone,
    tickets.anonymous_id,
    tickets.status,
    tickets.subject,
    tickets.channel,
    tickets.category,
    tickets.priority,
    tickets.team,
    coalesce(team_calendars.calendar, '{{ var("service_hours").default_calendar }}') as calendar,
    tickets.status not in ('solved', 'closed') as is_open,
    tickets.reopen_count,
    tickets.csat_score,
    tickets.opened_at,
    tickets.updated_at,
    tickets.first_replied_at,
    tickets.solved_at,
    {{ run_id() }} as run_id
from tickets
{% if is_incremental() -%}
inner join changed on tickets.source = changed.source and tickets.ticket_id = changed.ticket_id
{%- endif %}
left join team_calendars on tickets.team = team_calendars.team
{{ join_customers('tickets') }}
