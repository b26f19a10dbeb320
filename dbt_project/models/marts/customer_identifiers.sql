{{ config(materialized='view') }}

select
    identifiers.kind,
    identifiers.source,
    identifiers.value,
    forms.normal_form as mailbox,
    identifiers.customer_id,
    identifiers.first_seen_at,
    identifiers.last_seen_at
from {{ ref('stg_identifiers') }} as identifiers
left join {{ ref('stg_email_forms') }} as forms
    on identifiers.kind = 'email' and identifiers.value = forms.email
