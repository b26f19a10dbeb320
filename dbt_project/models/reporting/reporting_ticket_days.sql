{{ config(tags=['as_of'], alias='ticket_days') }}

select * from {{ ref('ticket_days') }}
