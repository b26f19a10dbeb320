{{ config(tags=['as_of'], materialized='view') }}

with tickets as (
    select * from {{ ref('int_tickets_enriched') }}
),

first_contacts as (
    select * from {{ ref('int_ticket_first_contacts') }}
),

-- What grows until the ticket is finished is counted up to the run's own time here, and is stored nowhere.
growing as (
    select
        tickets.*,
        case when tickets.is_open then {{ minutes_between('tickets.opened_at', as_of()) }} end as age_minutes,
        case
            when tickets.is_open
                then
                    {{ business_seconds(as_of(), 'tickets.calendar') }}
                    - tickets.business_seconds_when_opened
        end as age_business_seconds,
        case
            when tickets.waiting_for is not null then {{ minutes_between('tickets.waiting_since', as_of()) }}
        end as waiting_minutes,
        case
            when tickets.waiting_for is not null
                then
                    {{ business_seconds(as_of(), 'tickets.calendar') }}
                    - tickets.business_seconds_when_waiting_began
        end as waiting_business_seconds
    from tickets
),

aged as (
    select
        *,
        round(age_business_seconds / 60, 2) as age_business_minutes,
        round(waiting_business_seconds / 60, 2) as waiting_business_minutes
    from growing
)

select
    aged.source,
    aged.ticket_id,
    aged.customer_id,
    aged.status,
    aged.subject,
    aged.channel,
    aged.category,
    aged.priority,
    aged.team,
    aged.is_open,
    aged.reopen_count,
    aged.reopening_count,
    aged.reply_count,
    aged.hand_over_count,
    aged.csat_score,
    aged.opened_at,
    aged.updated_at,
    aged.first_replied_at,
    aged.solved_at,
    aged.resolved_at,
    aged.last_reopened_at,
    aged.rated_at,
    aged.first_reply_minutes,
    aged.first_reply_business_minutes,
    aged.resolution_minutes,
    aged.resolution_business_minutes,
    {% for who in ['agent', 'customer'] -%}
    aged.{{ who }}_wait_minutes
    + case when aged.waiting_for = '{{ who }}' then aged.waiting_minutes else 0 end as {{ who }}_wait_minutes,
    aged.{{ who }}_wait_business_minutes
    + case when aged.waiting_for = '{{ who }}' then aged.waiting_business_minutes else 0 end
        as {{ who }}_wait_business_minutes,
    {% endfor -%}
    aged.waiting_for,
    aged.waiting_since,
    aged.age_minutes,
    aged.age_business_minutes,
    aged.first_reply_target_minutes,
    case
        when aged.first_replied_at is not null
            then aged.first_reply_business_minutes <= aged.first_reply_target_minutes
        -- Who has not answered yet has broken the promise once the time is over.
        when aged.reply_count = 0 and aged.age_business_minutes > aged.first_reply_target_minutes then false
    end as is_first_reply_in_time,
    aged.resolution_target_minutes,
    case
        when aged.resolved_at is not null
            then aged.resolution_business_minutes <= aged.resolution_target_minutes
        when aged.age_business_minutes > aged.resolution_target_minutes then false
    end as is_resolution_in_time,
    case when not aged.is_open then aged.reply_count < 2 end as is_one_touch,
    case
        when not first_contacts.is_kept or first_contacts.decided_at <= {{ as_of() }}
            then first_contacts.is_kept
    end as is_first_contact_resolved,
    first_contacts.next_opened_at as next_ticket_opened_at
from aged
left join first_contacts
    on aged.source = first_contacts.source and aged.ticket_id = first_contacts.ticket_id
