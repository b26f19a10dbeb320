with deliveries as (
    select
        *,
        {{ recency(['refund_id']) }} as recency
    from {{ source('raw', 'refunds') }}
    where {{ visible('refunded_at') }}
)

select
    source,
    refund_id,
    order_id,
    line_id,
    {{ identity_columns() }},
    {{ cleaned('product_id') }} as product_id,
    {{ cleaned('currency') }} as currency,
    {{ cleaned('kind') }} as kind,
    quantity,
    amount,
    refunded_at,
    batch_id,
    line_number
from deliveries
where recency = 1 and not is_deleted
