with profiles as (
    select * from {{ ref('int_customer_profile') }}
),

orders as (
    select * from {{ ref('int_customer_orders') }}
),

favourites as (
    select * from {{ ref('int_customer_favourites') }}
),

visits as (
    select * from {{ ref('int_customer_visits') }}
),

support as (
    select * from {{ ref('int_customer_support') }}
),

feedback as (
    select * from {{ ref('int_customer_feedback') }}
)

select
    profiles.customer_id,
    profiles.email,
    profiles.phone,
    profiles.first_name,
    profiles.last_name,
    profiles.country,
    profiles.city,
    profiles.postal_code,
    profiles.time_zone,
    profiles.language,
    profiles.company_name,

    coalesce(orders.order_count, 0) as order_count,
    case when orders.customer_id is null then 0 else orders.gross_revenue end as gross_revenue,
    case when orders.customer_id is null then 0 else orders.returned_amount end as returned_amount,
    case when orders.customer_id is null then 0 else orders.net_revenue end as net_revenue,
    '{{ var("reporting_currency") }}'::text as reporting_currency,
    coalesce(orders.has_unconverted_revenue, false) as has_unconverted_revenue,
    orders.first_order_at,
    orders.last_order_at,
    orders.average_order_value,
    favourites.favourite_category,
    favourites.favourite_product,
    orders.recency_score,
    orders.frequency_score,
    orders.monetary_score,

    coalesce(visits.session_count, 0) as session_count,
    visits.last_seen_at,

    coalesce(support.ticket_count, 0) as ticket_count,
    coalesce(support.open_ticket_count, 0) as open_ticket_count,
    support.last_ticket_at,
    feedback.last_csat_score,
    feedback.last_nps_score
from profiles
left join orders on profiles.customer_id = orders.customer_id
left join favourites on profiles.customer_id = favourites.customer_id
left join visits on profiles.customer_id = visits.customer_id
left join support on profiles.customer_id = support.customer_id
left join feedback on profiles.customer_id = feedback.customer_id
