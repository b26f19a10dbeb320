with versions as (
    select
        *,
        {{ recency(['company_id'], ['updated_at']) }} as recency
    from {{ source('raw', 'companies') }}
    where {{ visible('updated_at') }}
)

select
    source,
    company_id,
    {{ identity_columns() }},
    {{ cleaned('company_name') }} as company_name,
    lower({{ cleaned('domain') }}) as domain,
    {{ cleaned('industry') }} as industry,
    {{ cleaned('parent_company_id') }} as parent_company_id,
    employee_count,
    updated_at,
    batch_id,
    line_number
from versions
where recency = 1 and not is_deleted
