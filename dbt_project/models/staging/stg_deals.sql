with versions as (
    select
        *,
        {{ recency(['deal_id'], ['updated_at']) }} as recency
    from {{ source('raw', 'deals') }}
    where {{ visible('updated_at') }}
)

select
    source,
    deal_id,
    {{ identity_columns() }},
    {{ cleaned('company_id') }} as company_id,
    {{ cleaned('company_name') }} as company_name,
    {{ cleaned('contact_id') }} as contact_id,
    {{ cleaned('stage') }} as stage,
    status,
    {{ cleaned('currency') }} as currency,
    {{ cleaned('owner') }} as owner,
    amount,
    {{ known('opened_at', 'updated_at') }} as opened_at,
    {{ known('closed_at', 'updated_at') }} as closed_at,
    -- What is expected lies in the future without being hindsight.
    expected_close_date,
    updated_at,
    batch_id,
    line_number
from versions
where recency = 1 and not is_deleted
