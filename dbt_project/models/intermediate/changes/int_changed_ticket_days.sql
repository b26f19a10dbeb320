with tickets as (
    select * from {{ ref('int_changed_tickets') }}
),

judged as (
    select * from {{ ref('int_ticket_first_contacts') }}
    where {{ written_since() }}
),

{% if var('since_run_id') is none -%}
judged_otherwise as (
    select
        source,
        ticket_id
    from judged
    where false
)
{%- else -%}
-- All tickets of a changed customer are judged again; few are judged otherwise than their days say.
judged_otherwise as (
    select
        judged.source,
        judged.ticket_id
    from judged
    inner join {{ previous('int_ticket_days') }} as days
        on judged.source = days.source and judged.ticket_id = days.ticket_id
    where days.is_resolved and days.is_first_contact_kept is distinct from judged.is_kept
)
{%- endif %}

select
    source,
    ticket_id
from tickets
union
select
    source,
    ticket_id
from judged_otherwise
