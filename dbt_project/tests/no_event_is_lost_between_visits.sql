-- Each event that has a visitor is in exactly one session.
with events as (
    select count(*) as event_count from {{ ref('int_web_events_sessionized') }}
    where anonymous_id is not null or customer_id is not null
),

sessions as (
    select coalesce(sum(event_count), 0) as event_count from {{ ref('sessions') }}
)

select
    events.event_count,
    sessions.event_count as event_count_of_sessions
from events
cross join sessions
where events.event_count <> sessions.event_count
