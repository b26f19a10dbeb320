{{ config(tags=['as_of']) }}

select
    message_id,
    event,
    detail,
    class,
    user_agent,
    is_machine_open,
    occurred_at
from {{ source('activation', 'message_events') }}
where occurred_at < {{ as_of() }}
