{{ config(tags=['since']) }}

select distinct
    source,
    consent_id
from {{ source('raw', 'consents') }}
where {{ newly_seen('consents') }}
