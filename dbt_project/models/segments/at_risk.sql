with customers as (
    select * from {{ ref('customers') }}
),

regulars as (
    select
        *,
        (last_order_at - first_order_at) / (order_count - 1) as usual_gap
    from customers
    where order_count >= {{ var('at_risk_min_orders') }}
)

select
    customer_id,
    'last order ' || {{ day_of('last_order_at') }} || ', ' || {{ days_before('last_order_at') }}
    || '; ' || order_count || ' orders, usually one every '
    || round(extract(epoch from usual_gap) / 86400) || ' days' as reason,
    last_order_at,
    order_count,
    round(extract(epoch from usual_gap) / 86400) as usual_gap_days
from regulars
where
    last_order_at + {{ var('at_risk_gap_factor') }} * usual_gap < {{ as_of() }}
    and last_order_at < {{ before_as_of(days=var('at_risk_min_days')) }}
    and last_order_at >= {{ before_as_of(days=var('lapsed_days')) }}
