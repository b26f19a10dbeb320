with versions as (
    select
        *,
        {{ recency(['ticket_id'], ['updated_at', 'version']) }} as recency
    from {{ source('raw', 'ticket_versions') }}
    where {{ visible('updated_at') }}
)

select
    source,
    ticket_id,
    {{ identity_columns() }},
    status,
    {{ cleaned('subject') }} as subject,
    {{ cleaned('channel') }} as channel,
    {{ cleaned('priority') }} as priority,
    {{ cleaned('category') }} as category,
    {{ cleaned('assignee') }} as assignee,
    {{ cleaned('team') }} as team,
    version,
    reopen_count,
    csat_score,
    {{ known('opened_at', 'updated_at') }} as opened_at,
    updated_at,
    {{ known('first_replied_at', 'updated_at') }} as first_replied_at,
    {{ known('solved_at', 'updated_at') }} as solved_at,
    batch_id,
    line_number
from versions
where recency = 1 and not is_deleted
