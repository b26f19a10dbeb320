{{ config(tags=['as_of']) }}

with customers as (
    select * from {{ ref('int_customer_orders') }}
    where order_count > 0
),

before as (
    select * from {{ ref('int_customer_scores_before') }}
)

select
    customers.recency_score,
    customers.frequency_score,
    before.recency_score as recency_score_before,
    before.frequency_score as frequency_score_before,
    count(*) as customer_count,
    case when bool_and(customers.net_revenue is not null) then sum(customers.net_revenue) end as net_revenue,
    cast('{{ var("reporting_currency") }}' as text) as reporting_currency,
    {{ before_as_of(days=var('rfm_move_days')) }} as compared_with
from customers
left join before on customers.customer_id = before.customer_id
group by
    customers.recency_score,
    customers.frequency_score,
    before.recency_score,
    before.frequency_score
