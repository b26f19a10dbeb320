-- Whoever has bought in the reporting currency alone has the same amounts in both tables.
with customers as (
    select * from {{ ref('customers') }}
),

customer_revenue as (
    select * from {{ ref('customer_revenue') }}
),

alone as (
    select
        customer_id,
        sum(order_count) as order_count,
        sum(gross_amount) as gross_amount,
        sum(returned_amount) as returned_amount
    from customer_revenue
    group by customer_id
    having bool_and(currency is not null and currency = '{{ var("reporting_currency") }}')
)

select
    customers.customer_id,
    alone.gross_amount,
    customers.gross_revenue
from alone
left join customers on alone.customer_id = customers.customer_id
where
    customers.customer_id is null
    or alone.order_count <> customers.order_count
    or alone.gross_amount is distinct from customers.gross_revenue
    or alone.returned_amount is distinct from customers.returned_amount
    or customers.has_unconverted_revenue
