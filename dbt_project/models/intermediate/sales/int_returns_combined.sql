with return_lines as (
    select * from {{ ref('int_return_lines_tied') }}
),

refunds as (
    select * from {{ ref('int_refunds_tied') }}
),

combined as (
    select
        source,
        'line:' || line_key || coalesce(':' || tied_order_id, '') as return_key,
        'line' as origin,
        'return' as kind,
        order_id,
        tied_order_id,
        customer_id,
        product_id,
        currency,
        quantity,
        amount,
        returned_at
    from return_lines
    union all
    select
        source,
        'refund:' || refund_id as return_key,
        'refund' as origin,
        kind,
        order_id,
        tied_order_id,
        customer_id,
        product_id,
        currency,
        quantity,
        amount,
        returned_at
    from refunds
)

select * from combined
