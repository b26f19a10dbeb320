{{ config(tags=['as_of']) }}

select
    message_id,
    event,
    detail,
    is_human,
    occurred_at
from {{ source('activation', 'message_events') }}
where occurred_at < {{ as_of() }}
