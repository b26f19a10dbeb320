{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customers'), ['customer_id']) }}",
    indexes=[{'columns': ['customer_id']}],
) }}

with changed as (
    select * from {{ ref('int_changed_customers') }}
),

orders as (
    select * from {{ ref('int_orders_summed') }}
    where
        customer_id is not null
        {% if is_incremental() -%}
        and {{ among(['customer_id'], 'changed') }}
        {%- endif %}
),

returns as (
    select * from {{ ref('int_returns_combined') }}
    where
        customer_id is not null
        {% if is_incremental() -%}
        and {{ among(['customer_id'], 'changed') }}
        {%- endif %}
),

amounts as (
    select
        customer_id,
        currency,
        1 as order_count,
        gross_amount,
        discount_granted,
        0 as returned_amount
    from orders
    union all
    select
        customer_id,
        currency,
        0 as order_count,
        0 as gross_amount,
        0 as discount_granted,
        amount as returned_amount
    from returns
),

revenue as (
    select
        customer_id,
        currency,
        sum(order_count) as order_count,
        case when bool_and(gross_amount is not null) then sum(gross_amount) end as gross_amount,
        sum(returned_amount) as returned_amount,
        case when bool_and(discount_granted is not null) then sum(discount_granted) end as discount_amount,
        case
            when bool_and(gross_amount is not null) then sum(gross_amount + returned_amount)
        end as net_amount
    from amounts
    group by customer_id, currency
)

select
    *,
    {{ run_id() }} as run_id
from revenue
