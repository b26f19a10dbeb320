with events as (
    select * from {{ ref('int_web_events_sessionized') }}
    where {{ written_since() }}
),

removed as (
    select * from {{ ref('stg_removed_keys') }}
    where kind = 'session'
),

changed as (
    select session_id from events
    union
    select key ->> 0 as session_id from removed
)

select session_id from changed
where session_id is not null
