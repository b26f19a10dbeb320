{{ config(tags=['as_of'], materialized='view') }}

with editions as (
    select * from {{ ref('stg_editions') }}
),

sent_in_part as (
    select distinct edition_id from {{ ref('int_edition_days') }}
    where accepted > 0
),

left_editions as (
    select editions.* from editions
    left join sent_in_part on editions.edition_id = sent_in_part.edition_id
    where
        editions.state in ('approved', 'sending', 'paused', 'done')
        or sent_in_part.edition_id is not null
)

select
    left_editions.*,
    dense_rank() over (partition by campaign, step order by slot_at) as edition_number,
    (
        select coalesce(sum(cast(steps.step ->> 'wait' as interval)), interval '0')
        from jsonb_array_elements(left_editions.journey) with ordinality as steps (step, place)
        where steps.place > 1
    ) as journey_length
from left_editions
