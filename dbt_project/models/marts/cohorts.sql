{{ config(tags=['as_of']) }}

with customers as (
    select
        *,
        {{ month_of('first_order_at') }} as cohort_month
    from {{ ref('int_customer_sales') }}
    where order_count > 0
),

months as (
    select * from {{ ref('int_customer_months') }}
),

cohorts as (
    select
        cohort_month,
        count(*) as customer_count
    from customers
    group by cohort_month
),

-- Months in which nobody of a cohort bought are months, too.
spans as (
    select
        cohorts.cohort_month,
        cohorts.customer_count,
        cast(calendar.month as date) as month
    from cohorts
    cross join lateral generate_series(
        cast(cohorts.cohort_month as timestamp),
        cast({{ month_of("(" ~ as_of() ~ " - interval '1 microsecond')") }} as timestamp),
        interval '1 month'
    ) as calendar (month)
),

-- What came back before the first order counts in the month of the first order.
activity as (
    select
        customers.cohort_month,
        greatest(months.month, customers.cohort_month) as month,
        count(distinct months.customer_id) filter (where months.order_count > 0) as active_customer_count,
        sum(months.order_count) as order_count,
        case when bool_and(months.net_revenue is not null) then sum(months.net_revenue) end as net_revenue,
        bool_or(months.net_revenue is null) as has_unconverted_revenue
    from months
    inner join customers on months.customer_id = customers.customer_id
    group by customers.cohort_month, greatest(months.month, customers.cohort_month)
)

select
    spans.cohort_month,
    cast(
        12 * (extract(year from spans.month) - extract(year from spans.cohort_month))
        + extract(month from spans.month) - extract(month from spans.cohort_month) as integer
    ) as months_since,
    spans.customer_count,
    coalesce(activity.active_customer_count, 0) as active_customer_count,
    cast(coalesce(activity.order_count, 0) as bigint) as order_count,
    case when activity.cohort_month is null then 0 else activity.net_revenue end as net_revenue,
    cast('{{ var("reporting_currency") }}' as text) as reporting_currency,
    coalesce(activity.has_unconverted_revenue, false) as has_unconverted_revenue,
    cast(coalesce(activity.active_customer_count, 0) as numeric) / spans.customer_count as retention
from spans
left join activity
    on spans.cohort_month = activity.cohort_month and spans.month = activity.month
