with events as (
    select * from {{ source('raw', 'ticket_events') }}
    where {{ visible('occurred_at') }}
)

select
    source,
    event_id,
    ticket_id,
    {{ identity_columns() }},
    kind,
    status,
    author_kind,
    {{ cleaned('body') }} as body,
    {{ cleaned('rating') }} as rating,
    cast(
        string_to_array(nullif(trim(regexp_replace(event_id, '[^0-9]+', ' ', 'g')), ''), ' ') as numeric[]
    ) as event_sequence,
    is_public,
    occurred_at,
    batch_id,
    line_number
from events
where not is_deleted
