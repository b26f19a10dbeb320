{{ config(materialized='view') }}

with ratings as (
    select * from {{ ref('int_ticket_events') }}
    where kind = 'rating' and rating ~ '^[1-5]([.]0+)?$'
)

select distinct on (source, ticket_id)
    source,
    ticket_id,
    trim_scale(cast(rating as numeric)) as csat_score,
    occurred_at as rated_at
from ratings
order by source, ticket_id, occurred_at desc, event_sequence desc nulls last, event_id desc
