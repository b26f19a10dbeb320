-- The first to ask whose a fact is: the test identity_is_of_this_run hangs on it and stops what follows.
-- depends_on: {{ ref('stg_identity_watermark') }}
with lines as (
    select * from {{ ref('stg_order_lines') }}
),

headers as (
    select * from {{ ref('stg_orders') }}
),

deleted_orders as (
    select * from {{ ref('stg_deleted_orders') }}
),

lines_of_kept_orders as (
    select
        lines.*,
        {{ customer_of() }} as own_customer_id
    from lines
    left join deleted_orders
        on lines.source = deleted_orders.source and lines.order_id = deleted_orders.order_id
    {{ join_customers('lines') }}
    where deleted_orders.order_id is null
),

header_customers as (
    select
        headers.*,
        {{ customer_of() }} as customer_id
    from headers
    {{ join_customers('headers') }}
),

-- One order, one customer: else an order's net and its customer's would disagree.
earliest_line_customers as (
    select
        source,
        order_id,
        (array_agg(own_customer_id order by ordered_at, batch_id, line_number))[1] as customer_id
    from lines_of_kept_orders
    where own_customer_id is not null
    group by source, order_id
),

identified as (
    select
        lines.source,
        lines.row_key as line_key,
        lines.order_id,
        lines.line_id,
        coalesce(header_customers.customer_id, earliest_line_customers.customer_id) as customer_id,
        lines.product_id,
        lines.product_name,
        lines.category,
        lines.line_kind,
        coalesce(lines.currency, header_customers.currency) as currency,
        lines.quantity,
        lines.unit_price,
        lines.quantity * lines.unit_price as amount,
        lines.discount_amount,
        lines.tax_amount,
        lines.order_status,
        lines.sales_channel,
        lines.first_name,
        lines.last_name,
        lines.country,
        lines.city,
        lines.postal_code,
        lines.time_zone,
        lines.ordered_at,
        lines.batch_id,
        lines.line_number
    from lines_of_kept_orders as lines
    left join header_customers
        on lines.source = header_customers.source and lines.order_id = header_customers.order_id
    left join earliest_line_customers
        on
            lines.source = earliest_line_customers.source
            and lines.order_id = earliest_line_customers.order_id
)

select * from identified
