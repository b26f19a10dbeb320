{{ config(materialized='view') }}

with return_lines as (
    select * from {{ ref('int_return_lines_tied') }}
),

refunds as (
    select * from {{ ref('int_refunds_tied') }}
),

combined as (
    select
        source,
        return_key,
        'line' as origin,
        'return' as kind,
        order_id,
        tied_order_id,
        customer_id,
        product_id,
        true as has_goods,
        true as is_counted,
        currency,
        quantity,
        amount,
        amount as stated_amount,
        returned_at,
        run_id
    from return_lines
    union all
    select
        source,
        return_key,
        'refund' as origin,
        kind,
        order_id,
        tied_order_id,
        customer_id,
        product_id,
        has_goods,
        is_counted,
        currency,
        quantity,
        amount,
        stated_amount,
        returned_at,
        run_id
    from refunds
)

select * from combined
