{{ config(
    tags=['as_of'],
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_assignments'), ['campaign', 'customer_id']) }}",
    indexes=[
        {'columns': ['campaign', 'customer_id'], 'unique': true},
        {'columns': ['customer_id']},
    ],
) }}

{%- set period_seconds = 86400 * var('lift_period_days') -%}

with assignments as (
    select * from {{ ref('int_assignments') }}
),

editions as (
    select * from {{ ref('int_editions_that_left') }}
),

begun as (
    select
        campaign,
        min(due_at) as begun_at
    from assignments
    group by campaign
),

-- Of a person with several addresses, or of several who turned out to be one, the first due time counts.
people as (
    select
        assignments.campaign,
        assignments.customer_id,
        min(assignments.due_at) as opens_at,
        (array_agg(assignments.edition_id order by assignments.due_at, assignments.edition_id))[1]
            as edition_id,
        min(assignments.arm) as arm,
        min(assignments.arm) <> max(assignments.arm) as has_two_arms,
        min(assignments.variant) as variant,
        count(distinct coalesce(assignments.variant, '')) > 1 as has_two_variants
    from assignments
    {% if is_incremental() -%}
    inner join {{ ref('int_changed_assignments') }} as changed
        on assignments.campaign = changed.campaign and assignments.customer_id = changed.customer_id
    {%- endif %}
    group by assignments.campaign, assignments.customer_id
),

in_periods as (
    select
        people.*,
        cast(1 + floor(extract(epoch from people.opens_at - begun.begun_at) / {{ period_seconds }}) as int)
            as period_number
    from people
    inner join begun on people.campaign = begun.campaign
),

edition_periods as (
    select
        begun.campaign,
        1 + floor(extract(epoch from editions.due_at - begun.begun_at) / {{ period_seconds }})
            as period_number,
        max(editions.due_at) as last_due_at
    from begun
    inner join editions on begun.campaign in (editions.campaign, '*')
    group by begun.campaign, period_number
),

-- A campaign that comes again before the goal's time is over is one treatment: the window stays open until
-- the period's last edition has had its time, in both arms alike. Else it is as long as the goal says, of a
-- journey from its last mail.
people_windows as (
    select
        in_periods.*,
        case when in_periods.campaign = '*' then 'order' else editions.goal_event end as goal_event,
        case when in_periods.campaign = '*' then interval '14 days' else editions.return_period end
            as return_period,
        case
            when in_periods.campaign = '*'
                then greatest(in_periods.opens_at, edition_periods.last_due_at) + interval '14 days'
            when editions.re_entry < editions.goal_within
                then greatest(in_periods.opens_at, edition_periods.last_due_at) + editions.goal_within
            else in_periods.opens_at + editions.journey_length + editions.goal_within
        end as closes_at
    from in_periods
    inner join editions on in_periods.edition_id = editions.edition_id
    left join edition_periods
        on
            in_periods.campaign = edition_periods.campaign
            and in_periods.period_number = edition_periods.period_number
),

windows as (
    select
        *,
        closes_at + return_period as settles_at,
        row_number() over (order by campaign, customer_id) as window_id
    from people_windows
),

{{ window_outcomes('windows') }}

select
    windows.campaign,
    windows.customer_id,
    windows.period_number,
    windows.arm,
    windows.variant,
    windows.has_two_arms,
    windows.has_two_variants,
    windows.opens_at,
    windows.closes_at,
    windows.settles_at,
    outcomes.converted_at is not null as is_converted,
    coalesce(outcomes.order_count, 0) as order_count,
    case when outcomes.window_id is null then 0 else outcomes.net_revenue end as net_revenue,
    {{ run_id() }} as run_id
from windows
left join outcomes on windows.window_id = outcomes.window_id
