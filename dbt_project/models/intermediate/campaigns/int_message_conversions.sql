{{ config(
    tags=['as_of'],
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_mailed_customers'), ['customer_id']) }}",
    indexes=[
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['customer_id']},
    ],
) }}

with changed as (
    select * from {{ ref('int_changed_mailed_customers') }}
),

-- Messages name whom they were planned for.
planned_for as (
    select customer_id from changed
    union
    select redirects.old_customer_id as customer_id
    from {{ ref('stg_merges') }} as redirects
    inner join changed on redirects.customer_id = changed.customer_id
),

windows as (
    select
        *,
        message_id as window_id
    from {{ ref('int_messages_measured') }}
    {% if is_incremental() -%}
    where planned_customer_id = any(array(select planned_for.customer_id from planned_for))
    {%- endif %}
),

{{ window_outcomes('windows') }}

select
    windows.message_id,
    windows.edition_id,
    windows.customer_id,
    windows.arm,
    windows.variant,
    windows.day,
    windows.is_accepted,
    outcomes.converted_at,
    outcomes.order_count,
    outcomes.net_revenue,
    {{ run_id() }} as run_id
from outcomes
inner join windows on outcomes.window_id = windows.message_id
