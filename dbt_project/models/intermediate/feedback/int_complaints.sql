{{ config(tags=['as_of'], materialized='view') }}

with tickets as (
    select * from {{ ref('int_tickets_enriched') }}
),

answers as (
    select * from {{ ref('int_answers') }}
),

complaints as (
    select
        'ticket' as kind,
        category as topic,
        customer_id,
        coalesce(opened_at, updated_at) as complained_at
    from tickets
    union all
    select
        metric as kind,
        category as topic,
        customer_id,
        answered_at as complained_at
    from answers
    where
        score <= case metric
            when 'nps' then {{ var('nps_detractor_max') }}
            when 'csat' then {{ var('csat_bad_max') }}
            when 'ces' then {{ var('ces_bad_max') }}
        end
)

select * from complaints
where complained_at >= {{ before_as_of(days=var('pain_point_days')) }}
