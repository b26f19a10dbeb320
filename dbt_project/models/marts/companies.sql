{{ config(tags=['as_of']) }}

with companies as (
    select * from {{ ref('int_companies_known') }}
),

customer_companies as (
    select * from {{ ref('int_customer_companies') }}
),

customers as (
    select * from {{ ref('customers') }}
),

contacts as (
    select * from {{ ref('stg_contacts') }}
),

deals as (
    select * from {{ ref('int_company_deals') }}
),

people as (
    select
        {{ company_key('contacts') }} as company_key,
        count(*) as contact_count
    from contacts
    group by company_key
),

sums as (
    select
        customer_companies.company_key,
        count(*) as customer_count,
        sum(customers.order_count) as order_count,
        case when bool_and(customers.gross_revenue is not null) then sum(customers.gross_revenue) end
            as gross_revenue,
        case when bool_and(customers.returned_amount is not null) then sum(customers.returned_amount) end
            as returned_amount,
        case when bool_and(customers.net_revenue is not null) then sum(customers.net_revenue) end
            as net_revenue,
        min(customers.first_order_at) as first_order_at,
        max(customers.last_order_at) as last_order_at,
        max(customers.last_seen_at) as last_seen_at,
        sum(customers.ticket_count) as ticket_count,
        sum(customers.open_ticket_count) as open_ticket_count,
        max(customers.last_ticket_at) as last_ticket_at
    from customer_companies
    inner join customers on customer_companies.customer_id = customers.customer_id
    group by customer_companies.company_key
)

select
    companies.company_key,
    companies.source,
    companies.company_id,
    companies.company_name,
    companies.domain,
    companies.industry,
    companies.country,
    companies.city,
    companies.employee_count,
    companies.parent_company_key,
    coalesce(people.contact_count, 0) as contact_count,
    coalesce(sums.customer_count, 0) as customer_count,
    coalesce(sums.order_count, 0)::bigint as order_count,
    case when sums.company_key is null then 0 else sums.gross_revenue end as gross_revenue,
    case when sums.company_key is null then 0 else sums.returned_amount end as returned_amount,
    case when sums.company_key is null then 0 else sums.net_revenue end as net_revenue,
    '{{ var("reporting_currency") }}'::text as reporting_currency,
    sums.first_order_at,
    sums.last_order_at,
    sums.last_seen_at,
    coalesce(sums.ticket_count, 0)::bigint as ticket_count,
    coalesce(sums.open_ticket_count, 0)::bigint as open_ticket_count,
    sums.last_ticket_at,
    coalesce(deals.open_deal_count, 0) as open_deal_count,
    coalesce(deals.won_deal_count, 0) as won_deal_count,
    coalesce(deals.lost_deal_count, 0) as lost_deal_count,
    case when deals.company_key is null then 0 else deals.open_deal_amount end as open_deal_amount,
    case when deals.company_key is null then 0 else deals.won_deal_amount end as won_deal_amount
from companies
left join people on companies.company_key = people.company_key
left join sums on companies.company_key = sums.company_key
left join deals on companies.company_key = deals.company_key
