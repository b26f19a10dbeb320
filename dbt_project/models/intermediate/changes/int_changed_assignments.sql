{{ config(tags=['as_of']) }}

{%- set since = "cast('" ~ var('since_as_of') ~ "' as timestamptz)" -%}

{% if var('since_run_id') is none -%}
select
    cast(null as text) as campaign,
    cast(null as text) as customer_id
where false
{%- else -%}
with assignments as (
    select * from {{ ref('int_assignments') }}
),

customers as (
    select * from {{ ref('int_changed_customers') }}
),

editions as (
    select * from {{ ref('stg_editions') }}
),

changed_editions as (
    select * from {{ ref('int_changed_editions') }}
),

told as (
    select * from {{ previous('int_campaign_outcomes') }}
),

new_or_open as (
    select editions.campaign from editions
    left join changed_editions on editions.edition_id = changed_editions.edition_id
    where
        editions.expires_at + interval '7 days' >= {{ since }}
        or editions.state not in ('done', 'cancelled')
        or changed_editions.is_new
),

-- Of a campaign that still assigns people, or whose windows are open, anybody's window may be another.
going_on as (
    select campaign from told
    group by campaign
    having max(settles_at) >= {{ since }}
    union
    select campaign from new_or_open
    union
    select '*' as campaign from new_or_open
),

changed as (
    select
        campaign,
        customer_id
    from assignments
    where campaign in (select campaign from going_on) or customer_id in (select customer_id from customers)
    union
    select
        campaign,
        customer_id
    from told
    where campaign in (select campaign from going_on) or customer_id in (select customer_id from customers)
)

select
    campaign,
    customer_id
from changed
{%- endif %}
