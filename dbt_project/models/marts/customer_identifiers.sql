{{ config(materialized='view') }}

with identifiers as (
    select * from {{ ref('stg_identifiers') }}
),

forms as (
    select * from {{ ref('stg_email_forms') }}
)

select
    identifiers.kind,
    identifiers.source,
    identifiers.value,
    forms.normal_form as mailbox,
    identifiers.customer_id,
    identifiers.first_seen_at,
    identifiers.last_seen_at
from identifiers
left join forms on identifiers.kind = 'email' and identifiers.value = forms.email
