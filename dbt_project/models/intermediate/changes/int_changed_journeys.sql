{{ config(tags=['as_of']) }}

with touches as (
    select
        customer_id,
        happened_at
    from {{ ref('customer_timeline') }}
    where {{ written_since() }}
),

removed as (
    select
        key ->> 0 as customer_id,
        cast(key ->> 1 as timestamptz) as happened_at
    from {{ ref('stg_removed_keys') }}
    where kind = 'touch'
),

moments as (
    select * from touches
    union all
    select * from removed
    {% if var('since_run_id') is not none -%}
    union all
    -- Time alone turns a journey that was open into one that fell silent.
    select
        customer_id,
        ended_at as happened_at
    from {{ previous('journeys', 'marts') }}
    where outcome = 'open' and ended_at < {{ before_as_of(days=var('journey_silence_days')) }}
    {%- endif %}
),

changed as (
    select
        customer_id,
        min(happened_at) as changed_at
    from moments
    group by customer_id
)

select
    customer_id,
    {% if var('since_run_id') is none -%}
    cast('-infinity' as timestamptz) as told_from
    {%- else -%}
    -- The last journey that began before the change: none before it can be another now. Where one ended in
    -- the very instant in which it began, a moment does not part the two.
    coalesce((
        select journeys.started_at
        from {{ previous('journeys', 'marts') }} as journeys
        where
            journeys.customer_id = changed.customer_id
            and journeys.started_at < changed.changed_at
            and not exists (
                select from {{ previous('journeys', 'marts') }} as others
                where
                    others.customer_id = journeys.customer_id
                    and others.ended_at = journeys.started_at
                    and others.journey_id <> journeys.journey_id
            )
        order by journeys.ended_at desc
        limit 1
    ), '-infinity') as told_from
    {%- endif %}
from changed
