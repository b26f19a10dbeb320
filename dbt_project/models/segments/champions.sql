with customers as (
    select * from {{ ref('customers') }}
)

select
    customer_id,
    'recency ' || recency_score || ', frequency ' || frequency_score || ', spending ' || monetary_score
    || ' of 5; ' || order_count || ' orders, the last on ' || {{ day_of('last_order_at') }} as reason,
    recency_score,
    frequency_score,
    monetary_score,
    order_count,
    last_order_at
from customers
where
    recency_score >= {{ var('champion_min_score') }}
    and frequency_score >= {{ var('champion_min_score') }}
    and monetary_score >= {{ var('champion_min_score') }}
