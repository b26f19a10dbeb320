{{ config(tags=['as_of'], materialized='view') }}

with first_complaints as (
    select
        kind,
        topic,
        customer_id,
        min(complained_at) as complained_at,
        min(complained_at) + interval '{{ 24 * var("pain_follow_days") }} hours' as followed_until
    from {{ ref('int_complaints') }}
    where customer_id is not null
    group by kind, topic, customer_id
),

detractions as (
    select
        customer_id,
        answered_at
    from {{ ref('int_answers') }}
    where metric = 'nps' and score <= {{ var('nps_detractor_max') }}
),

bought as (
    select
        customer_id,
        count(*) as order_count,
        count(reporting_amount) as converted_count,
        sum(reporting_amount) as reporting_amount
    from {{ ref('int_sales_converted') }}
    where kind = 'order'
    group by customer_id
),

sales_since as (
    select * from {{ ref('int_sales_converted') }}
    where sold_at >= (select min(complained_at) from first_complaints)
),

bought_since as (
    select
        first_complaints.kind,
        first_complaints.topic,
        first_complaints.customer_id,
        count(*) as order_count,
        count(*) filter (where orders.sold_at < first_complaints.followed_until) as orders_after,
        count(orders.reporting_amount) as converted_count,
        coalesce(sum(orders.reporting_amount), 0) as reporting_amount
    from first_complaints
    inner join sales_since as orders
        on
            first_complaints.customer_id = orders.customer_id
            and first_complaints.complained_at <= orders.sold_at
    where orders.kind = 'order'
    group by first_complaints.kind, first_complaints.topic, first_complaints.customer_id
),

-- What was bought before is what was bought at all without what was bought since: most of it lies years back.
bought_before as (
    select
        first_complaints.*,
        coalesce(bought_since.orders_after, 0) as orders_after,
        bought.order_count - coalesce(bought_since.order_count, 0) as order_count,
        bought.converted_count - coalesce(bought_since.converted_count, 0) as converted_count,
        bought.reporting_amount - coalesce(bought_since.reporting_amount, 0) as reporting_amount
    from first_complaints
    left join bought on first_complaints.customer_id = bought.customer_id
    left join bought_since
        on
            first_complaints.kind = bought_since.kind
            and first_complaints.topic is not distinct from bought_since.topic
            and first_complaints.customer_id = bought_since.customer_id
),

returned as (
    select
        first_complaints.kind,
        first_complaints.topic,
        first_complaints.customer_id,
        case
            when bool_and(returns.reporting_amount is not null) then sum(returns.reporting_amount)
        end as returned_amount
    from first_complaints
    inner join sales_since as returns
        on
            first_complaints.customer_id = returns.customer_id
            and first_complaints.complained_at <= returns.sold_at
            and first_complaints.followed_until > returns.sold_at
    where returns.kind = 'return'
    group by first_complaints.kind, first_complaints.topic, first_complaints.customer_id
)

-- An average or a sum that leaves out what could not be converted would be a wrong number that looks right.
select
    complaints.kind,
    complaints.topic,
    complaints.customer_id,
    complaints.complained_at,
    complaints.followed_until,
    coalesce(complaints.order_count, 0) as orders_before,
    complaints.orders_after,
    case
        when complaints.order_count = complaints.converted_count
            then trim_scale(complaints.reporting_amount / nullif(complaints.order_count, 0))
    end as average_order_value,
    case when returned.customer_id is null then 0 else returned.returned_amount end as returned_amount,
    exists(
        select from detractions
        where
            detractions.customer_id = complaints.customer_id
            and detractions.answered_at >= complaints.complained_at
            and detractions.answered_at < complaints.followed_until
    ) as is_detractor
from bought_before as complaints
left join returned
    on
        complaints.kind = returned.kind
        and complaints.topic is not distinct from returned.topic
        and complaints.customer_id = returned.customer_id
