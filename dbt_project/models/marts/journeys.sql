{{ config(
    materialized='incremental',
    tags=['as_of'],
    pre_hook="{{ forget(
        ref('int_changed_journeys'), ['customer_id'], from_time={'started_at': 'told_from'}, is_probed=true
    ) }}",
    indexes=[
        {'columns': ['journey_id'], 'unique': true},
        {'columns': ['customer_id', 'ended_at']},
        {'columns': ['outcome', 'ended_at']},
        {'columns': ['run_id']},
    ],
) }}

-- depends_on: {{ ref('int_changed_journeys') }}
with steps as (
    select * from {{ ref('int_journey_steps') }}
),

placed as (
    select
        steps.*,
        row_number() over (
            partition by customer_id, journey_number order by happened_at, ending nulls first, touch_id
        ) as position,
        -- Counted from the end, without those that only repeat the one before: the path keeps the last.
        count(*) filter (where step is not null and not is_repeated) over (
            partition by customer_id, journey_number
            order by happened_at desc, ending desc nulls last, touch_id desc
            rows between unbounded preceding and current row
        ) as steps_to_go
    from steps
),

journeys as (
    select
        customer_id,
        journey_number,
        min(touch_id) filter (where position = 1) as first_touch_id,
        min(happened_at) as started_at,
        max(happened_at) as ended_at,
        max(ending) as ending,
        max(source) filter (where ending is not null) as ending_source,
        max(record_id) filter (where ending is not null) as ending_record_id,
        count(*) as touch_count,
        count(*) filter (where kind = 'visit') as visit_count,
        count(*) filter (where step is not null and not is_repeated) as step_count,
        (array_agg(step order by position) filter (where step is not null))[1] as first_step,
        (array_agg(step order by position desc) filter (where step is not null))[1] as last_step,
        string_agg(step, ' > ' order by position) filter (
            where step is not null and not is_repeated and steps_to_go <= {{ var('journey_max_steps') }}
        ) as last_steps,
        max(depth) as depth
    from placed
    group by customer_id, journey_number
),

ended as (
    select
        journeys.*,
        lead(started_at) over (partition by customer_id order by journey_number) as next_started_at
    from journeys
)

select
    md5(cast(jsonb_build_array(customer_id, first_touch_id) as text)) as journey_id,
    customer_id,
    started_at,
    ended_at,
    case
        when ending is not null then ending
        when next_started_at is not null then 'silence'
        when ended_at < {{ before_as_of(days=var('journey_silence_days')) }} then 'silence'
        else 'open'
    end as outcome,
    ending_source,
    ending_record_id,
    case when step_count > {{ var('journey_max_steps') }} then '… > ' else '' end || last_steps as path,
    first_step,
    last_step,
    case
        when ending = 'purchase' then 'purchase'
        when depth = 3 then 'checkout'
        when depth = 2 then 'cart'
        when depth = 1 then 'visit'
        else 'none'
    end as furthest_stage,
    step_count,
    touch_count,
    visit_count,
    {{ run_id() }} as run_id
from ended
