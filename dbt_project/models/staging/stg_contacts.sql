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
    -- Nobody is born after the record that says so.
    case when birth_date <= (updated_at at time zone 'UTC')::date then birth_date end as birth_date,
    updated_at,
    batch_id,
    line_number
from versions
where recency = 1 and not is_deleted
