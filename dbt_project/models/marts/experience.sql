{{ config(materialized='view') }}

{%- set z = 1.959964 %}

with answers as (
    select
        *,
        cast(date_trunc('month', answered_at at time zone 'UTC') as date) as answer_month
    from {{ ref('int_answers') }}
),

members as (
    select * from {{ ref('stg_segment_members') }}
),

grouped as (
    select
        answer_month,
        metric,
        'all' as dimension,
        cast(null as text) as dimension_value,
        score
    from answers
    {% for column in ['channel', 'category'] -%}
    union all
    select
        answer_month,
        metric,
        '{{ column }}' as dimension,
        {{ column }} as dimension_value,
        score
    from answers
    {% endfor -%}
    union all
    select
        answers.answer_month,
        answers.metric,
        'segment' as dimension,
        members.segment as dimension_value,
        answers.score
    from answers
    inner join members on answers.customer_id = members.customer_id
),

counted as (
    select
        answer_month,
        metric,
        dimension,
        dimension_value,
        cast(count(*) as numeric) as answers,
        avg(score) as mean,
        stddev_samp(score) as deviation,
        count(*) filter (where metric = 'nps' and score >= {{ var('nps_promoter_min') }}) as promoters,
        count(*) filter (where metric = 'nps' and score <= {{ var('nps_detractor_max') }}) as detractors,
        count(*) filter (where score >= case metric
            when 'csat' then {{ var('csat_good_min') }}
            when 'ces' then {{ var('ces_good_min') }}
        end) as satisfied
    from grouped
    group by answer_month, metric, dimension, dimension_value
),

shares as (
    select
        *,
        satisfied / answers as satisfied_share,
        -- The adjusted Wald interval adds 3 answers, 3/4 of them promoters and 3/4 detractors (Rocks, 2016).
        (promoters + 0.75) / (answers + 3) as promoter_share,
        (detractors + 0.75) / (answers + 3) as detractor_share
    from counted
),

spreads as (
    select
        *,
        {{ student_t('answers - 1') }} * deviation / sqrt(answers) as mean_spread,
        {{ z }} * sqrt((
            promoter_share + detractor_share - (promoter_share - detractor_share) ^ 2
        ) / (answers + 3)) as nps_spread,
        -- Wilson's score interval (1927), which never leaves 0 to 1.
        (satisfied_share + {{ z ** 2 }} / (2 * answers)) / (1 + {{ z ** 2 }} / answers) as satisfied_centre,
        {{ z }} * sqrt(
            satisfied_share * (1 - satisfied_share) / answers + {{ z ** 2 }} / (4 * answers ^ 2)
        ) / (1 + {{ z ** 2 }} / answers) as satisfied_spread
    from shares
)

select
    answer_month,
    metric,
    dimension,
    dimension_value,
    cast(answers as bigint) as answer_count,
    round(mean, 4) as mean_score,
    -- No mean lies off the scale.
    case
        when mean_spread is not null
            then greatest(round(mean - mean_spread, 4), case metric when 'nps' then 0 else 1 end)
    end as mean_score_low,
    case
        when mean_spread is not null
            then least(
                round(mean + mean_spread, 4),
                case metric when 'nps' then 10 when 'csat' then 5 else 7 end
            )
    end as mean_score_high,
    case when metric = 'nps' then promoters end as promoter_count,
    case when metric = 'nps' then detractors end as detractor_count,
    case when metric = 'nps' then round(100.0 * (promoters - detractors) / answers, 2) end as nps,
    case
        when metric = 'nps' then round(100 * greatest(-1, promoter_share - detractor_share - nps_spread), 2)
    end as nps_low,
    case
        when metric = 'nps' then round(100 * least(1, promoter_share - detractor_share + nps_spread), 2)
    end as nps_high,
    case when metric <> 'nps' then satisfied end as satisfied_count,
    case when metric <> 'nps' then round(satisfied_share, 4) end as satisfied_share,
    case when metric <> 'nps' then round(satisfied_centre - satisfied_spread, 4) end as satisfied_share_low,
    case when metric <> 'nps' then round(satisfied_centre + satisfied_spread, 4) end as satisfied_share_high
from spreads
