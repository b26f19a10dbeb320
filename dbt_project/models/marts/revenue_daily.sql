{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_revenue_days'), ['revenue_date']) }}",
) }}

with changed as (
    select * from {{ ref('int_changed_revenue_days') }}
),

orders as (
    select orders.* from {{ ref('orders') }} as orders
    {% if is_incremental() -%}
    inner join changed
        on
            orders.ordered_at >= cast(changed.revenue_date as timestamp) at time zone 'UTC'
            and orders.ordered_at < cast(changed.revenue_date + 1 as timestamp) at time zone 'UTC'
    {%- endif %}
),

untied as (
    select returns.* from {{ ref('returns') }} as returns
    {% if is_incremental() -%}
    inner join changed
        on
            returns.returned_at >= cast(changed.revenue_date as timestamp) at time zone 'UTC'
            and returns.returned_at < cast(changed.revenue_date + 1 as timestamp) at time zone 'UTC'
    {%- endif %}
    where returns.tied_order_id is null
),

-- A tied return lowers the day of its order, an untied one the day it came in.
sales as (
    select
        source,
        currency,
        ordered_at as rated_at,
        1 as order_count,
        case when returned_amount < 0 then 1 else 0 end as returned_order_count,
        gross_amount,
        returned_amount
    from orders
    union all
    select
        source,
        currency,
        returned_at as rated_at,
        0 as order_count,
        0 as returned_order_count,
        0 as gross_amount,
        amount as returned_amount
    from untied
),

converted as (
    select
        {% for sum in ['gross', 'returned'] -%}
        case
            when {{ sum }}_amount = 0 then 0
            else {{ reporting_amount(sum ~ '_amount', 'currency', 'rated_at') }}
        end as {{ sum }}_revenue,
        {% endfor -%}
        *
    from sales
),

-- A sum that leaves out what could not be converted would be a wrong number that looks right.
days as (
    select
        cast(rated_at at time zone 'UTC' as date) as revenue_date,
        source,
        currency,
        sum(order_count) as order_count,
        sum(returned_order_count) as returned_order_count,
        {% for amount in ['gross_amount', 'returned_amount', 'gross_revenue', 'returned_revenue'] -%}
        case when bool_and({{ amount }} is not null) then sum({{ amount }}) end as {{ amount }},
        {% endfor -%}
        cast('{{ var("reporting_currency") }}' as text) as reporting_currency
    from converted
    group by cast(rated_at at time zone 'UTC' as date), source, currency
)

select
    revenue_date,
    source,
    currency,
    order_count,
    returned_order_count,
    gross_amount,
    returned_amount,
    gross_amount + returned_amount as net_amount,
    gross_revenue,
    returned_revenue,
    gross_revenue + returned_revenue as net_revenue,
    reporting_currency,
    {{ run_id() }} as run_id
from days
