{{ config(tags=['as_of']) }}

-- Of two arms in one person neither can be told from the other.
with people as (
    select * from {{ ref('int_campaign_outcomes') }}
),

periods as (
    select
        campaign,
        period_number,
        min(opens_at) as starts_at,
        max(closes_at) as closes_at,
        max(settles_at) as settles_at,
        count(*) filter (where has_two_arms) as left_out_count,
        count(*) filter (where has_two_variants and not has_two_arms) as two_variants_count,
        cast(
            percentile_cont(0.99) within group (order by net_revenue)
            filter (where not has_two_arms) as numeric
        ) as revenue_cap
    from people
    group by campaign, period_number
),

capped as (
    select
        people.campaign,
        people.period_number,
        people.arm,
        case when not people.has_two_variants then people.variant end as variant,
        people.is_converted,
        people.order_count,
        people.net_revenue,
        cast(least(people.net_revenue, periods.revenue_cap) as double precision) as capped_revenue
    from people
    inner join periods
        on people.campaign = periods.campaign and people.period_number = periods.period_number
    where not people.has_two_arms
),

arms as (
    select
        campaign,
        period_number,
        arm,
        variant,
        count(*) as customer_count,
        count(*) filter (where is_converted) as converted_count,
        count(*) filter (where order_count > 0) as buyer_count,
        count(*) filter (where net_revenue is null) as unconverted_count,
        sum(net_revenue) as net_revenue,
        avg(capped_revenue) as mean_capped_revenue,
        var_samp(capped_revenue) as capped_revenue_variance
    from capped
    group by grouping sets ((campaign, period_number, arm), (campaign, period_number, arm, variant))
    having grouping(variant) = 1 or variant is not null
)

select
    arms.campaign,
    arms.period_number,
    arms.arm,
    arms.variant,
    periods.starts_at,
    periods.closes_at,
    periods.settles_at,
    arms.customer_count,
    arms.converted_count,
    arms.buyer_count,
    arms.unconverted_count,
    case when arms.unconverted_count = 0 then arms.net_revenue end as net_revenue,
    periods.revenue_cap,
    arms.mean_capped_revenue,
    arms.capped_revenue_variance,
    '{{ var("reporting_currency") }}' as currency,
    periods.left_out_count,
    periods.two_variants_count,
    {{ as_of() }} as measured_at
from arms
inner join periods on arms.campaign = periods.campaign and arms.period_number = periods.period_number
