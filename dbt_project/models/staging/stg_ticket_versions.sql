with versions as (
    select
        *,
        row_number() over (
            partition by source, ticket_id
            order by updated_at, version nulls first, batch_id, line_number
        ) as position
    from {{ source('raw', 'ticket_versions') }}
    where {{ visible('updated_at') }} and not is_deleted
)

select
    source,
    ticket_id,
    position,
    {{ cleaned('assignee') }} as assignee,
    {{ cleaned('team') }} as team,
    status,
    updated_at
from versions
