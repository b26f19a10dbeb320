{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

with sales as (
    select * from {{ ref('int_customer_sales') }}
),

scores as (
    select
        customer_id,
        {{ quintile('last_order_at') }} as recency_score,
        {{ quintile('order_count') }} as frequency_score
    from sales
    where order_count > 0
),

revenue_scores as (
    select
        customer_id,
        {{ quintile('net_revenue') }} as monetary_score
    from sales
    where order_count > 0 and net_revenue is not null
),

scored as (
    select
        sales.customer_id,
        sales.order_count,
        sales.gross_revenue,
        sales.returned_amount,
        sales.discount_amount,
        sales.net_revenue,
        sales.has_unconverted_revenue,
        sales.first_order_at,
        sales.last_order_at,
        sales.previous_order_at,
        sales.average_order_value,
        sales.average_days_between_orders,
        scores.recency_score,
        scores.frequency_score,
        revenue_scores.monetary_score
    from sales
    left join scores on sales.customer_id = scores.customer_id
    left join revenue_scores on sales.customer_id = revenue_scores.customer_id
)

select * from scored
