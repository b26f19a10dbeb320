{{ config(tags=['as_of'], alias='customers') }}

with customers as (
    select * from {{ ref('customers') }}
)

select
    customer_id,
    email is not null as has_email,
    phone is not null as has_phone,
    country,
    time_zone,
    language,
    company_key,
    lifecycle_stage,
    order_count,
    gross_revenue,
    returned_amount,
    discount_amount,
    net_revenue,
    reporting_currency,
    has_unconverted_revenue,
    first_order_at,
    last_order_at,
    average_order_value,
    average_days_between_orders,
    favourite_category,
    favourite_product,
    recency_score,
    frequency_score,
    monetary_score,
    session_count,
    last_seen_at,
    first_channel,
    last_channel,
    ticket_count,
    open_ticket_count,
    last_ticket_at,
    last_csat_score,
    last_nps_score,
    nps_group,
    email_count,
    opened_email_count,
    clicked_email_count,
    last_emailed_at,
    email_topics
from customers
