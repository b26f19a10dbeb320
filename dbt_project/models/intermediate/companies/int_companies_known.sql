{{ config(indexes=[{'columns': ['company_key'], 'unique': true}]) }}

with companies as (
    select * from {{ ref('stg_companies') }}
),

contacts as (
    select * from {{ ref('stg_contacts') }}
),

deals as (
    select * from {{ ref('stg_deals') }}
),

-- A CRM that has no list of companies still names them in its contacts and deals.
mentions as (
    select
        {{ company_key('companies') }} as company_key,
        source,
        company_id,
        company_name,
        1 as precedence,
        updated_at
    from companies
    union all
    select
        {{ company_key('contacts') }} as company_key,
        source,
        company_id,
        company_name,
        2 as precedence,
        updated_at
    from contacts
    union all
    select
        {{ company_key('deals') }} as company_key,
        source,
        company_id,
        company_name,
        2 as precedence,
        updated_at
    from deals
),

named as (
    select
        company_key,
        source,
        company_id,
        (array_agg(company_name order by precedence, updated_at desc, company_name) filter (
            where company_name is not null
        ))[1] as company_name
    from mentions
    where company_key is not null
    group by company_key, source, company_id
),

described as (
    select
        named.company_key,
        named.source,
        named.company_id,
        named.company_name,
        companies.domain,
        companies.industry,
        companies.country,
        companies.city,
        companies.employee_count,
        companies.source || ':' || companies.parent_company_id as parent_company_key
    from named
    left join companies
        on named.source = companies.source and named.company_id = companies.company_id
)

select * from described
