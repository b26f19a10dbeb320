with versions as (
    select
        *,
        {{ recency(['contact_id'], ['updated_at']) }} as recency
    from {{ source('raw', 'contacts') }}
    where {{ visible('updated_at') }}
)

select
    source,
    contact_id,
    {{ identity_columns() }},
    company_id,
    {{ cleaned('company_name') }} as company_name,
    {{ cleaned('title') }} as title,
    {{ cleaned('language') }} as language,
    birth_date,
    updated_at,
    batch_id,
    line_number
from versions
where recency = 1 and not is_deleted
