with lines as (
    select * from {{ ref('int_order_lines_identified') }}
    where quantity > 0
),

headers as (
    select * from {{ ref('stg_orders') }}
),

summed as (
    select
        source,
        order_id,
        min(customer_id) as customer_id,
        min(ordered_at) as ordered_at,
        count(*) as line_count,
        sum(quantity) as quantity,
        sum(amount) as gross_amount,
        min(currency) as currency,
        count(currency) = 0
        or (count(currency) = count(*) and min(currency) = max(currency)) as has_one_currency,
        case when min(order_status) = max(order_status) then min(order_status) end as order_status,
        case when min(sales_channel) = max(sales_channel) then min(sales_channel) end as sales_channel
    from lines
    group by source, order_id
),

orders as (
    select
        summed.source,
        summed.order_id,
        summed.source || ':' || summed.order_id as order_key,
        summed.customer_id,
        summed.ordered_at,
        case when summed.has_one_currency then summed.currency end as currency,
        case when summed.has_one_currency then summed.gross_amount end as gross_amount,
        summed.line_count,
        summed.quantity,
        headers.discount_amount,
        headers.tax_amount,
        headers.shipping_amount,
        headers.total_amount,
        headers.prices_include_tax,
        coalesce(headers.order_status, summed.order_status) as order_status,
        coalesce(headers.sales_channel, summed.sales_channel) as sales_channel,
        headers.cancelled_at
    from summed
    left join headers
        on summed.source = headers.source and summed.order_id = headers.order_id
)

select * from orders
