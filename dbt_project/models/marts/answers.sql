{{ config(materialized='view') }}

select
    source,
    kind,
    record_id,
    customer_id,
    metric,
    score,
    case
        when score >= case metric
            when 'nps' then {{ var('nps_promoter_min') }}
            when 'csat' then {{ var('csat_good_min') }}
            when 'ces' then {{ var('ces_good_min') }}
        end then 'good'
        when score <= case metric
            when 'nps' then {{ var('nps_detractor_max') }}
            when 'csat' then {{ var('csat_bad_max') }}
            when 'ces' then {{ var('ces_bad_max') }}
        end then 'bad'
        else 'middling'
    end as opinion,
    answered_at,
    channel,
    category,
    team
from {{ ref('int_answers') }}
