{{ config(tags=['as_of'], alias='ticket_days') }}

with days as (
    select * from {{ ref('ticket_days') }}
)

select * from days
