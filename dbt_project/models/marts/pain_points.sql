{{ config(tags=['as_of']) }}

with complaints as (
    select * from {{ ref('int_complaints') }}
),

followed as (
    select
        *,
        orders_before > 0 and followed_until <= {{ as_of() }} as is_followed,
        orders_before > 0 and orders_after = 0 and followed_until <= {{ as_of() }} as is_silent
    from {{ ref('int_complaints_followed') }}
),

-- Who has never bought has no order to lose.
lost as (
    select
        *,
        case when orders_before > 0 then 1 else 0 end * greatest(
            case when is_silent then {{ var('pain_orders_lost_by_silence') }} else 0 end,
            case when is_detractor then {{ var('pain_orders_lost_by_detractor') }} else 0 end
        ) as lost_orders
    from followed
),

counted as (
    select
        kind,
        topic,
        count(*) as complaint_count
    from complaints
    group by kind, topic
),

summed as (
    select
        kind,
        topic,
        count(*) as customer_count,
        count(*) filter (where is_detractor) as detractor_count,
        count(*) filter (where is_followed) as followed_count,
        count(*) filter (where is_silent) as silent_count,
        case when bool_and(returned_amount is not null) then sum(returned_amount) end as returned_amount,
        trim_scale(cast(sum(lost_orders) as numeric)) as lost_orders,
        case
            when bool_or(lost_orders > 0 and average_order_value is null) then null
            else coalesce(sum(lost_orders * average_order_value) filter (where lost_orders > 0), 0)
        end as lost_amount
    from lost
    group by kind, topic
)

select
    rank() over (
        order by summed.lost_amount - summed.returned_amount desc nulls last, counted.complaint_count desc
    ) as pain_rank,
    counted.kind,
    counted.topic,
    counted.complaint_count,
    coalesce(summed.customer_count, 0) as customer_count,
    coalesce(summed.detractor_count, 0) as detractor_count,
    coalesce(summed.followed_count, 0) as followed_count,
    coalesce(summed.silent_count, 0) as silent_count,
    round(summed.returned_amount, 2) as returned_amount,
    summed.lost_orders,
    round(summed.lost_amount, 2) as lost_amount,
    round(summed.lost_amount - summed.returned_amount, 2) as cost_amount,
    cast('{{ var("reporting_currency") }}' as text) as reporting_currency,
    {{ before_as_of(days=var('pain_point_days')) }} as counted_from
from counted
left join summed
    on counted.kind = summed.kind and counted.topic is not distinct from summed.topic
