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
        count(currency) in (0, count(*)) and count(distinct currency) < 2 as has_one_currency,
        (array_agg(order_status order by ordered_at desc, line_number desc))[1] as order_status,
        (array_agg(sales_channel order by ordered_at, line_number))[1] as sales_channel
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
