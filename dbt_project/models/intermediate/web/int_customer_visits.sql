{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customers'), ['customer_id']) }}",
    indexes=[{'columns': ['customer_id'], 'unique': true}],
) }}

-- Portable SQL only (see stg_web_events).
with changed as (
    select * from {{ ref('int_changed_customers') }}
),

sessions as (
    select
        *,
        row_number() over (partition by customer_id order by started_at, session_id) as position,
        row_number() over (partition by customer_id order by started_at desc, session_id desc)
            as position_from_end
    from {{ ref('int_sessions_classified') }}
    where
        customer_id is not null
        and bot_reason is null
        {% if is_incremental() -%}
        and {{ among(['customer_id'], 'changed') }}
        {%- endif %}
),

visits as (
    select
        customer_id,
        count(*) as session_count,
        sum(case when has_cart then 1 else 0 end) as cart_session_count,
        sum(case when has_purchase then 1 else 0 end) as purchase_session_count,
        min(started_at) as first_seen_at,
        max(ended_at) as last_seen_at,
        max(case when position = 1 then channel end) as first_channel,
        max(case when position_from_end = 1 then channel end) as last_channel,
        {{ run_id() }} as run_id
    from sessions
    group by customer_id
)

select * from visits
