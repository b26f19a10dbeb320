{{ config(materialized='view', tags=['as_of']) }}

with touches as (
    select timeline.*
    from {{ ref('customer_timeline') }} as timeline
    {% if var('since_run_id') is not none -%}
    inner join {{ ref('int_changed_journeys') }} as changed
        on timeline.customer_id = changed.customer_id and timeline.happened_at >= changed.told_from
    {% endif -%}
    -- What we send is no step of theirs before they open it.
    where timeline.kind <> 'email' or timeline.detail in ('opened', 'clicked')
),

visits as (
    select * from {{ ref('int_sessions_classified') }}
),

steps as (
    select
        touches.customer_id,
        touches.touch_id,
        touches.happened_at,
        touches.source,
        touches.record_id,
        touches.kind,
        case
            when touches.kind = 'visit' and visits.has_cart then 'cart (' || touches.detail || ')'
            when touches.kind = 'visit' then 'visit (' || touches.detail || ')'
            when touches.kind = 'email' then 'e-mail ' || touches.detail
            when touches.kind = 'consent' then 'consent ' || touches.detail
            when touches.kind in ('return', 'survey') then touches.kind
        end as step,
        case touches.kind when 'order' then 'purchase' when 'ticket' then 'ticket' end as ending,
        case
            when touches.kind <> 'visit' then 0
            when visits.has_checkout or visits.has_purchase then 3
            when visits.has_cart then 2
            else 1
        end as depth
    from touches
    left join visits on touches.kind = 'visit' and touches.record_id = visits.session_id
),

-- At the same time what leads to an ending comes before it.
preceded as (
    select
        steps.*,
        lag(happened_at) over by_time as previous_at,
        lag(ending) over by_time as previous_ending
    from steps
    window by_time as (
        partition by customer_id order by happened_at, ending nulls first, touch_id
    )
),

numbered as (
    select
        preceded.*,
        sum(case
            when previous_at is null or previous_ending is not null then 1
            when happened_at > previous_at + interval '{{ 24 * var("journey_silence_days") }} hours' then 1
            else 0
        end) over (
            partition by customer_id
            order by happened_at, ending nulls first, touch_id
            rows between unbounded preceding and current row
        ) as journey_number
    from preceded
),

compared as (
    select
        numbered.*,
        coalesce(step = lag(step) over (
            partition by customer_id, journey_number order by happened_at, ending nulls first, touch_id
        ), false) as is_repeated
    from numbered
)

select * from compared
