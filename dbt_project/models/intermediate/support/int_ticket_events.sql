{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_ticket_events'), ['source', 'event_id']) }}",
    indexes=[
        {'columns': ['source', 'event_id'], 'unique': true},
        {'columns': ['source', 'ticket_id']},
        {'columns': ['run_id']},
    ],
) }}

with changed as (
    select * from {{ ref('int_changed_ticket_events') }}
),

events as (
    select * from {{ ref('stg_ticket_events') }}
    {% if is_incremental() -%}
    where {{ among(['batch_id'], 'changed') }}
    {%- endif %}
)

select
    events.source,
    events.event_id,
    events.ticket_id,
    events.kind,
    events.status,
    events.author_kind,
    events.is_public,
    events.rating,
    events.event_sequence,
    events.occurred_at,
    {{ run_id() }} as run_id
from events
{% if is_incremental() -%}
inner join changed on events.source = changed.source and events.event_id = changed.event_id
{%- endif %}
