with answers as (
    select * from {{ ref('int_answers') }}
)

select
    cast(answered_at at time zone 'UTC' as date) as answer_date,
    metric,
    channel,
    category,
    team,
    count(*) as answer_count,
    sum(score) as total_score,
    count(*) filter (where metric = 'nps' and score >= {{ var('nps_promoter_min') }}) as promoter_count,
    count(*) filter (where metric = 'nps' and score <= {{ var('nps_detractor_max') }}) as detractor_count,
    count(*) filter (where score >= case metric
        when 'csat' then {{ var('csat_good_min') }}
        when 'ces' then {{ var('ces_good_min') }}
    end) as satisfied_count,
    count(*) filter (where score <= case metric
        when 'csat' then {{ var('csat_bad_max') }}
        when 'ces' then {{ var('ces_bad_max') }}
    end) as dissatisfied_count
from answers
group by cast(answered_at at time zone 'UTC' as date), metric, channel, category, team
