with decisions as (
    select * from {{ source('raw', 'consents') }}
    where {{ visible('decided_at') }}
)

select
    source,
    consent_id,
    {{ identity_columns() }},
    lower({{ cleaned('channel') }}) as channel,
    lower({{ cleaned('topic') }}) as topic,
    decision,
    {{ cleaned('basis') }} as basis,
    {{ cleaned('text_version') }} as text_version,
    {{ cleaned('evidence') }} as evidence,
    decided_at,
    {{ known('confirmed_at', 'null') }} as confirmed_at,
    -- An end that was agreed on in advance lies in the future without being hindsight.
    expires_at,
    batch_id,
    line_number
from decisions
where not is_deleted
