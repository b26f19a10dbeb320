{{ config(materialized='view') }}

with orders as (
    select
        customer_id,
        'order' as event,
        ordered_at as happened_at
    from {{ ref('int_orders_summed') }}
),

visits as (
    select
        customer_id,
        'visit' as event,
        started_at as happened_at
    from {{ ref('int_sessions_classified') }}
    where bot_reason is null
),

carts as (
    select
        customer_id,
        'cart' as event,
        started_at as happened_at
    from {{ ref('int_sessions_classified') }}
    where bot_reason is null and has_cart
),

answers as (
    select
        customer_id,
        'survey_response' as event,
        responded_at as happened_at
    from {{ ref('int_survey_responses_identified') }}
)

select * from orders
union all
select * from visits
union all
select * from carts
union all
select * from answers
