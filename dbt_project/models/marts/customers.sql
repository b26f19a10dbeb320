-- The pages look people up by the beginning of a name, said either way round.
{{ config(
    tags=['as_of'],
    post_hook=[
        "create index on {{ this }} ({{ name_of('first_name', 'last_name') }}, customer_id)",
        "create index on {{ this }} ({{ name_of('last_name', 'first_name') }}, customer_id)",
    ],
) }}

with addresses as (
    select * from {{ ref('int_customer_addresses') }}
),

profiles as (
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
),

emails as (
    select * from {{ ref('int_customer_emails') }}
),

permissions as (
    select * from {{ ref('int_customer_permissions') }}
),

companies as (
    select * from {{ ref('int_customer_companies') }}
)

select
    addresses.customer_id,
    addresses.email,
    addresses.email_source,
    addresses.phone,
    addresses.phone_source,
    profiles.first_name,
    profiles.last_name,
    profiles.name_source,
    profiles.country,
    profiles.country_source,
    profiles.city,
    profiles.postal_code,
    profiles.place_source,
    profiles.time_zone,
    profiles.time_zone_source,
    profiles.language,
    profiles.language_source,
    profiles.company_name,
    companies.company_key,

    {{ lifecycle_stage('orders') }} as lifecycle_stage,
    coalesce(orders.order_count, 0) as order_count,
    case when orders.customer_id is null then 0 else orders.gross_revenue end as gross_revenue,
    case when orders.customer_id is null then 0 else orders.returned_amount end as returned_amount,
    case when orders.customer_id is null then 0 else orders.discount_amount end as discount_amount,
    case when orders.customer_id is null then 0 else orders.net_revenue end as net_revenue,
    '{{ var("reporting_currency") }}'::text as reporting_currency,
    coalesce(orders.has_unconverted_revenue, false) as has_unconverted_revenue,
    orders.first_order_at,
    orders.last_order_at,
    orders.average_order_value,
    orders.average_days_between_orders,
    favourites.favourite_category,
    favourites.favourite_product,
    orders.recency_score,
    orders.frequency_score,
    orders.monetary_score,

    coalesce(visits.session_count, 0) as session_count,
    visits.last_seen_at,
    visits.first_channel,
    visits.last_channel,

    coalesce(support.ticket_count, 0) as ticket_count,
    coalesce(support.open_ticket_count, 0) as open_ticket_count,
    support.last_ticket_at,
    feedback.last_csat_score,
    feedback.last_nps_score,
    case
        when feedback.last_nps_score >= {{ var('nps_promoter_min') }} then 'promoter'
        when feedback.last_nps_score <= {{ var('nps_detractor_max') }} then 'detractor'
        when feedback.last_nps_score is not null then 'passive'
    end as nps_group,

    coalesce(emails.email_count, 0) as email_count,
    coalesce(emails.opened_email_count, 0) as opened_email_count,
    coalesce(emails.clicked_email_count, 0) as clicked_email_count,
    emails.last_emailed_at,
    coalesce(permissions.email_topics, '[]'::jsonb) as email_topics
from addresses
left join profiles on addresses.customer_id = profiles.customer_id
left join orders on addresses.customer_id = orders.customer_id
left join favourites on addresses.customer_id = favourites.customer_id
left join visits on addresses.customer_id = visits.customer_id
left join support on addresses.customer_id = support.customer_id
left join feedback on addresses.customer_id = feedback.customer_id
left join emails on addresses.customer_id = emails.customer_id
left join permissions on addresses.customer_id = permissions.customer_id
left join companies on addresses.customer_id = companies.customer_id
