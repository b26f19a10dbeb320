{{ config(materialized='view') }}

with responses as (
    select * from {{ ref('int_survey_responses_identified') }}
),

tickets as (
    select * from {{ ref('int_tickets_enriched') }}
),

-- What a survey asked about is a ticket or an order where exactly one has that id.
tickets_by_id as (
    select
        ticket_id,
        min(channel) as channel,
        min(category) as category
    from tickets
    where ticket_id in (select about from responses)
    group by ticket_id
    having count(*) = 1
),

orders_by_id as (
    select
        order_id,
        min(sales_channel) as channel
    from {{ ref('orders') }}
    where order_id in (select about from responses)
    group by order_id
    having count(*) = 1
),

-- The category of an order is the one with the greatest amount.
categories as (
    select distinct on (order_id)
        order_id,
        category
    from {{ ref('order_lines') }}
    where quantity > 0 and category is not null and order_id in (select order_id from orders_by_id)
    group by order_id, category
    order by order_id, sum(amount) desc, category
),

surveyed as (
    select
        responses.source,
        'survey' as kind,
        responses.response_id as record_id,
        responses.customer_id,
        responses.metric,
        responses.score,
        responses.responded_at as answered_at,
        case when tickets_by_id.ticket_id is not null then tickets_by_id.channel else orders_by_id.channel end
            as channel,
        case when tickets_by_id.ticket_id is not null then tickets_by_id.category else categories.category end
            as category
    from responses
    left join tickets_by_id on responses.about = tickets_by_id.ticket_id
    left join orders_by_id on responses.about = orders_by_id.order_id
    left join categories on orders_by_id.order_id = categories.order_id
),

rated as (
    select
        source,
        'ticket' as kind,
        ticket_id as record_id,
        customer_id,
        'csat' as metric,
        csat_score as score,
        rated_at as answered_at,
        channel,
        category
    from tickets
    where csat_score is not null
),

answers as (
    select * from surveyed
    union all
    select * from rated
)

-- A score that lies off its scale says nothing.
select * from answers
where
    case metric
        when 'nps' then score between 0 and 10
        when 'csat' then score between 1 and 5
        when 'ces' then score between 1 and 7
    end
