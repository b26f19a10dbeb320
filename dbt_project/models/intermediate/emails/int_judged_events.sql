{{ config(materialized='view') }}

with events as (
    select * from {{ ref('stg_message_events') }}
),

messages as (
    select * from {{ ref('stg_messages') }}
),

-- Scanners follow every link of a mail at once, often before it is delivered.
judged as (
    select
        events.message_id,
        events.event,
        events.detail,
        events.occurred_at,
        case
            when events.event = 'opened' then not coalesce(events.is_machine_open, false)
            when events.event = 'clicked'
                then
                    events.occurred_at >= messages.accepted_at + interval '3 seconds'
                    and count(*) over (
                        partition by events.message_id, events.event
                        order by events.occurred_at
                        range between interval '2 seconds' preceding and interval '2 seconds' following
                    ) < 3
        end as is_human
    from events
    inner join messages on events.message_id = messages.message_id
)

select * from judged
