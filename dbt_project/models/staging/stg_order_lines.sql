with replaced_orders as (
    select
        source,
        order_id,
        max(coalesce(delivered_as, batch_id)) as delivery
    from {{ source('raw', 'order_lines') }}
    where mode = 'replace_order' and {{ visible('ordered_at') }}
    group by source, order_id
),

identified_lines as (
    select
        source,
        row_key,
        {{ recency(['order_id', 'line_id']) }} as recency
    from {{ source('raw', 'order_lines') }}
    where mode <> 'replace_order' and line_id is not null and {{ visible('ordered_at') }}
),

visible_lines as (
    select * from {{ source('raw', 'order_lines') }}
    where not is_deleted and {{ visible('ordered_at') }}
),

-- A line without line_id that was not part of a whole order has no versions: each one counts.
newest_lines as (
    select visible_lines.*
    from visible_lines
    left join replaced_orders
        on
            visible_lines.mode = 'replace_order'
            and visible_lines.source = replaced_orders.source
            and visible_lines.order_id = replaced_orders.order_id
    left join identified_lines
        on
            visible_lines.source = identified_lines.source
            and visible_lines.row_key = identified_lines.row_key
    where
        case
            when visible_lines.mode = 'replace_order'
                then coalesce(visible_lines.delivered_as, visible_lines.batch_id) = replaced_orders.delivery
            when visible_lines.line_id is not null then identified_lines.recency = 1
            else true
        end
)

select
    source,
    row_key,
    order_id,
    line_id,
    {{ identity_columns() }},
    {{ cleaned('product_id') }} as product_id,
    {{ cleaned('product_name') }} as product_name,
    {{ cleaned('category') }} as category,
    {{ cleaned('line_kind') }} as line_kind,
    {{ cleaned('currency') }} as currency,
    {{ cleaned('order_status') }} as order_status,
    {{ cleaned('sales_channel') }} as sales_channel,
    quantity,
    unit_price,
    discount_amount,
    tax_amount,
    ordered_at,
    batch_id,
    line_number
from newest_lines
