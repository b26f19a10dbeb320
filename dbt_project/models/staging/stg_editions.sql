{{ config(tags=['as_of']) }}

with editions as (
    select
        *,
        specification -> 'campaign' as file
    from {{ source('activation', 'editions') }}
)

select
    edition_id,
    campaign,
    step,
    slot_at,
    due_at,
    coalesce(expires_at, due_at) as expires_at,
    state,
    state_reason,
    coalesce(file -> 'goal' ->> 'event', 'order') as goal_event,
    cast(coalesce(file -> 'goal' ->> 'within', '14d') as interval) as goal_within,
    cast(coalesce(file -> 'goal' ->> 'return_period', '14d') as interval) as return_period,
    cast(nullif(file ->> 're_entry', 'never') as interval) as re_entry,
    coalesce(file -> 'journey', '[]') as journey
from editions
where slot_at < {{ as_of() }}
