{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

with identifiers as (
    select * from {{ ref('stg_identifiers') }}
),

observations as (
    select * from {{ ref('int_identity_observations') }}
),

chosen as (
    select
        customer_id,
        (array_agg(value order by last_seen_at desc, value) filter (where kind = 'email'))[1] as email,
        (array_agg(value order by last_seen_at desc, value) filter (where kind = 'phone'))[1] as phone
    from identifiers
    group by customer_id
),

email_sources as (
    select distinct on (email)
        email,
        source
    from observations
    where email is not null
    order by email, last_seen_at desc, source
),

phone_sources as (
    select distinct on (phone)
        phone,
        source
    from observations
    where phone is not null
    order by phone, last_seen_at desc, source
),

addressed as (
    select
        chosen.customer_id,
        chosen.email,
        email_sources.source as email_source,
        chosen.phone,
        phone_sources.source as phone_source
    from chosen
    left join email_sources on chosen.email = email_sources.email
    left join phone_sources on chosen.phone = phone_sources.phone
)

select * from addressed
