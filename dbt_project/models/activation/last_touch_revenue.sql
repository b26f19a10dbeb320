{{ config(tags=['as_of'], materialized='table') }}

with clicks as (
    select
        message_id,
        occurred_at
    from {{ ref('int_judged_events') }}
    where event = 'clicked' and is_human
),

messages as (
    select * from {{ ref('stg_messages') }}
),

orders as (
    select * from {{ ref('int_sales_converted') }}
    where kind = 'order'
),

returns as (
    select
        source,
        order_id,
        sum(reporting_amount) as amount,
        bool_and(reporting_amount is not null) as is_converted
    from {{ ref('int_sales_converted') }}
    where kind = 'return' and order_id is not null
    group by source, order_id
),

touches as (
    select
        messages.message_id,
        messages.edition_id,
        messages.campaign,
        messages.variant,
        messages.customer_id,
        clicks.occurred_at
    from clicks
    inner join messages on clicks.message_id = messages.message_id
),

-- Of several clicks before an order, the last one takes all.
credited as (
    select distinct on (orders.sale_key)
        orders.sale_key,
        orders.source,
        orders.order_id,
        orders.reporting_amount,
        touches.edition_id,
        touches.campaign,
        touches.variant,
        cast(orders.sold_at at time zone 'UTC' as date) as day
    from touches
    inner join orders
        on
            touches.customer_id = orders.customer_id
            and touches.occurred_at <= orders.sold_at
            and touches.occurred_at > orders.sold_at - interval '{{ 24 * var("last_touch_days") }} hours'
    order by orders.sale_key, touches.occurred_at desc, touches.message_id
),

valued as (
    select
        credited.*,
        case
            when returns.order_id is null then credited.reporting_amount
            when returns.is_converted then credited.reporting_amount + returns.amount
        end as net_amount
    from credited
    left join returns on credited.source = returns.source and credited.order_id = returns.order_id
)

select
    edition_id,
    campaign,
    variant,
    day,
    count(*) as order_count,
    case when bool_and(net_amount is not null) then sum(net_amount) end as net_revenue,
    bool_or(net_amount is null) as has_unconverted_revenue
from valued
group by edition_id, campaign, variant, day
