{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

with sales as (
    select * from {{ ref('int_sales_converted') }}
    where customer_id is not null
),

-- A sum that leaves out what could not be converted would be a wrong number that looks right.
sums as (
    select
        customer_id,
        count(*) filter (where kind = 'order') as order_count,
        case
            when bool_and(reporting_amount is not null) filter (where kind = 'order') is not false
                then coalesce(sum(reporting_amount) filter (where kind = 'order'), 0)
        end as gross_revenue,
        case
            when bool_and(reporting_amount is not null) filter (where kind = 'return') is not false
                then coalesce(sum(reporting_amount) filter (where kind = 'return'), 0)
        end as returned_amount,
        bool_or(reporting_amount is null) as has_unconverted_revenue,
        min(sold_at) filter (where kind = 'order') as first_order_at,
        max(sold_at) filter (where kind = 'order') as last_order_at
    from sales
    group by customer_id
),

ordered as (
    select
        *,
        gross_revenue + returned_amount as net_revenue,
        gross_revenue / nullif(order_count, 0) as average_order_value
    from sums
),

-- percent_rank() and not ntile(): customers who are equal score equal.
scores as (
    select
        customer_id,
        least(5, 1 + floor(5 * percent_rank() over (order by last_order_at)))::integer as recency_score,
        least(5, 1 + floor(5 * percent_rank() over (order by order_count)))::integer as frequency_score
    from ordered
    where order_count > 0
),

revenue_scores as (
    select
        customer_id,
        least(5, 1 + floor(5 * percent_rank() over (order by net_revenue)))::integer as monetary_score
    from ordered
    where order_count > 0 and net_revenue is not null
),

scored as (
    select
        ordered.*,
        scores.recency_score,
        scores.frequency_score,
        revenue_scores.monetary_score
    from ordered
    left join scores on ordered.customer_id = scores.customer_id
    left join revenue_scores on ordered.customer_id = revenue_scores.customer_id
)

select * from scored
