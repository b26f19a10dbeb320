{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}, {'columns': ['company_key']}]) }}

with identifiers as (
    select * from {{ ref('stg_identifiers') }}
),

contacts as (
    select * from {{ ref('stg_contacts') }}
),

companies as (
    select * from {{ ref('int_companies_known') }}
),

by_contact as (
    select distinct on (identifiers.customer_id)
        identifiers.customer_id,
        {{ company_key('contacts') }} as company_key,
        'contact' as rule
    from contacts
    inner join identifiers
        on
            identifiers.kind = 'contact'
            and contacts.source = identifiers.source
            and contacts.contact_id = identifiers.value
    where coalesce(contacts.company_id, contacts.company_name) is not null
    order by identifiers.customer_id, contacts.updated_at desc, contacts.source, contacts.contact_id
),

-- A domain that two companies claim says nothing.
domains as (
    select
        domain,
        min(company_key) as company_key
    from companies
    where domain is not null
    group by domain
    having count(*) = 1
),

by_domain as (
    select distinct on (identifiers.customer_id)
        identifiers.customer_id,
        domains.company_key,
        'email domain' as rule
    from identifiers
    inner join domains on split_part(identifiers.value, '@', 2) = domains.domain
    where identifiers.kind = 'email'
    order by identifiers.customer_id, identifiers.last_seen_at desc, identifiers.value
),

chosen as (
    select * from by_contact
    union all
    select by_domain.*
    from by_domain
    left join by_contact on by_domain.customer_id = by_contact.customer_id
    where by_contact.customer_id is null
)

select * from chosen
