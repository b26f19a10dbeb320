-- Portable SQL only (see stg_web_events).
with sessions as (
    select * from {{ ref('int_sessions_summed') }}
)

select
    session_id,
    source,
    anonymous_id,
    customer_id,
    started_at,
    ended_at,
    event_count,
    entry_page,
    exit_page,
    referrer,
    utm_source,
    utm_medium,
    utm_campaign,
    has_cart,
    has_purchase
from sessions
