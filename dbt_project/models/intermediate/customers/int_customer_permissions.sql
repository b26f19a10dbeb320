{{ config(tags=['as_of'], indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

with identifiers as (
    select * from {{ ref('stg_identifiers') }}
    where kind = 'email'
),

consents as (
    select * from {{ ref('consents') }}
    where channel = 'email' and is_granted
)

select
    identifiers.customer_id,
    jsonb_agg(distinct consents.topic order by consents.topic) as email_topics
from identifiers
inner join consents on identifiers.value = consents.email
group by identifiers.customer_id
