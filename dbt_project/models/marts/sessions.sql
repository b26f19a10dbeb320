{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_sessions'), ['session_id']) }}",
    indexes=[
        {'columns': ['session_id'], 'unique': true},
        {'columns': ['customer_id', 'started_at']},
        {'columns': ['started_at']},
        {'columns': ['run_id']},
    ],
) }}

-- Portable SQL only (see stg_web_events).
with sessions as (
    select * from {{ ref('int_sessions_classified') }}
    {% if is_incremental() -%}
    where {{ among(['session_id'], ref('int_changed_sessions')) }}
    {%- endif %}
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
    channel,
    has_cart,
    has_checkout,
    has_purchase,
    {{ run_id() }} as run_id
from sessions
where bot_reason is null
