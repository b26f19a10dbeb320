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

sales as (
    select * from {{ ref('int_sales_converted') }}
    where {{ among(['customer_id'], 'first_complaints') }}
),

sales_around as (
    select
        first_complaints.kind,
        first_complaints.topic,
        first_complaints.customer_id,
        sales.kind = 'order' and sales.sold_at < first_complaints.complained_at as is_order_before,
        sales.kind = 'order' and sales.sold_at >= first_complaints.complained_at as is_order_after,
        sales.kind = 'return' and sales.sold_at >= first_complaints.complained_at as is_return_after,
        sales.reporting_amount
    from first_complaints
    inner join sales
        on
            first_complaints.customer_id = sales.customer_id
            and first_complaints.followed_until > sales.sold_at
),

-- An average or a sum that leaves out what could not be converted would be a wrong number that looks right.
sums as (
    select
        kind,
        topic,
        customer_id,
        count(*) filter (where is_order_before) as orders_before,
        count(*) filter (where is_order_after) as orders_after,
        case
            when bool_and(reporting_amount is not null) filter (where is_order_before)
                then trim_scale(avg(reporting_amount) filter (where is_order_before))
        end as average_order_value,
        case
            when bool_or(is_return_after and reporting_amount is null) then null
            else coalesce(sum(reporting_amount) filter (where is_return_after), 0)
        end as returned_amount
    from sales_around
    group by kind, topic, customer_id
)

select
    first_complaints.kind,
    first_complaints.topic,
    first_complaints.customer_id,
    first_complaints.complained_at,
    first_complaints.followed_until,
    coalesce(sums.orders_before, 0) as orders_before,
    coalesce(sums.orders_after, 0) as orders_after,
    sums.average_order_value,
    case when sums.customer_id is null then 0 else sums.returned_amount end as returned_amount,
    exists(
        select from detractions
        where
            detractions.customer_id = first_complaints.customer_id
            and detractions.answered_at >= first_complaints.complained_at
            and detractions.answered_at < first_complaints.followed_until
    ) as is_detractor
from first_complaints
left join sums
    on
        first_complaints.kind = sums.kind
        and first_complaints.topic is not distinct from sums.topic
        and first_complaints.customer_id = sums.customer_id
