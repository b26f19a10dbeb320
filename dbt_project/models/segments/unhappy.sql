with tickets as (
    select * from {{ ref('tickets') }}
),

survey_responses as (
    select * from {{ ref('survey_responses') }}
),

disappointments as (
    select
        customer_id,
        responded_at as happened_at,
        null as ticket_id,
        upper(metric) || ' ' || trim_scale(score) as what
    from survey_responses
    where
        (metric = 'csat' and score <= {{ var('csat_bad_max') }})
        or (metric = 'nps' and score <= {{ var('nps_detractor_max') }})
    union all
    select
        customer_id,
        rated_at as happened_at,
        ticket_id,
        'ticket ' || ticket_id || ' rated ' || trim_scale(csat_score) as what
    from tickets
    where csat_score <= {{ var('csat_bad_max') }}
    union all
    select
        customer_id,
        last_reopened_at as happened_at,
        ticket_id,
        'ticket ' || ticket_id || ' reopened' as what
    from tickets
    where last_reopened_at is not null
),

recent as (
    select * from disappointments
    where
        customer_id is not null
        and happened_at >= {{ before_as_of(days=var('unhappy_days')) }}
)

select
    customer_id,
    string_agg(
        what || ' on ' || {{ day_of('happened_at') }}, '; ' order by happened_at desc, what
    ) as reason,
    max(happened_at) as unhappy_at,
    (
        array_agg(ticket_id order by happened_at desc, what) filter (where ticket_id is not null)
    )[1] as ticket_id
from recent
group by customer_id
