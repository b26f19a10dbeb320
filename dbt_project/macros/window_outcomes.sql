{#- What a customer did in a window: CTEs that end in `outcomes`, one row per window in which anything counts. -#}
{% macro window_outcomes(windows) -%}
conversions as (
    select
        windows.window_id,
        min(goals.happened_at) as converted_at
    from {{ windows }} as windows
    inner join {{ ref('int_goal_events') }} as goals
        on
            windows.customer_id = goals.customer_id
            and windows.goal_event = goals.event
            and windows.opens_at <= goals.happened_at
            and windows.closes_at > goals.happened_at
    group by windows.window_id
),

orders_in_window as (
    select
        windows.window_id,
        windows.settles_at,
        orders.source,
        orders.order_id,
        orders.reporting_amount
    from {{ windows }} as windows
    inner join {{ ref('int_sales_converted') }} as orders
        on
            windows.customer_id = orders.customer_id
            and windows.opens_at <= orders.sold_at
            and windows.closes_at > orders.sold_at
    where orders.kind = 'order'
),

-- What comes back later than that does not count, so that a settled window stays as it is.
money as (
    select
        window_id,
        reporting_amount,
        1 as order_count
    from orders_in_window
    union all
    select
        orders_in_window.window_id,
        returns.reporting_amount,
        0 as order_count
    from orders_in_window
    inner join {{ ref('int_sales_converted') }} as returns
        on
            orders_in_window.source = returns.source
            and orders_in_window.order_id = returns.order_id
            and orders_in_window.settles_at > returns.sold_at
    where returns.kind = 'return'
),

purchases as (
    select
        window_id,
        sum(order_count) as order_count,
        case when bool_and(reporting_amount is not null) then sum(reporting_amount) end as net_revenue
    from money
    group by window_id
),

outcomes as (
    select
        coalesce(conversions.window_id, purchases.window_id) as window_id,
        conversions.converted_at,
        coalesce(purchases.order_count, 0) as order_count,
        case when purchases.window_id is null then 0 else purchases.net_revenue end as net_revenue
    from conversions
    full join purchases on conversions.window_id = purchases.window_id
)
{%- endmacro %}
