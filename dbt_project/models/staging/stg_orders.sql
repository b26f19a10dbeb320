with versions as (
    select
        *,
        {{ recency(['order_id'], ['updated_at']) }} as recency
    from {{ source('raw', 'orders') }}
    where {{ visible('ordered_at', 'updated_at') }}
)

select
    source,
    order_id,
    {{ identity_columns() }},
    {{ cleaned('currency') }} as currency,
    {{ cleaned('order_status') }} as order_status,
    {{ cleaned('sales_channel') }} as sales_channel,
    discount_amount,
    tax_amount,
    shipping_amount,
    total_amount,
    prices_include_tax,
    ordered_at,
    updated_at,
    {{ known('cancelled_at', 'updated_at') }} as cancelled_at,
    batch_id,
    line_number
from versions
where recency = 1 and not is_deleted
