{%- set of_changed_customers = "customer_id in (select customer_id from " ~ ref('int_changed_customers') ~ ")"
    if var('since_run_id') is not none else 'true' -%}
with orders as (
    select * from {{ ref('orders') }}
    where {{ of_changed_customers }}
),

returns as (
    select * from {{ ref('returns') }}
    where {{ of_changed_customers }}
),

customer_revenue as (
    select * from {{ ref('customer_revenue') }}
    where {{ of_changed_customers }}
),

parts as (
    select
        customer_id,
        currency,
        net_amount
    from orders
    where customer_id is not null and gross_amount is not null
    union all
    select
        customer_id,
        currency,
        amount as net_amount
    from returns
    where customer_id is not null and tied_order_id is null
    union all
    -- An order of several currencies has no net; what came back of it counts in its own currency.
    select
        returns.customer_id,
        returns.currency,
        returns.amount as net_amount
    from returns
    inner join orders on returns.tied_order_key = orders.order_key
    where returns.customer_id is not null and orders.gross_amount is null
),

sums as (
    select
        customer_id,
        currency,
        sum(net_amount) as net_amount
    from parts
    group by customer_id, currency
)

select
    coalesce(sums.customer_id, customer_revenue.customer_id) as customer_id,
    coalesce(sums.currency, customer_revenue.currency) as currency,
    sums.net_amount as sum_of_parts,
    customer_revenue.net_amount
from sums
full join customer_revenue
    on
        sums.customer_id = customer_revenue.customer_id
        and coalesce(sums.currency, '') = coalesce(customer_revenue.currency, '')
where sums.net_amount is distinct from customer_revenue.net_amount and (
    customer_revenue.net_amount is not null or customer_revenue.customer_id is null
)
