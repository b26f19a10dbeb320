{{ config(alias='ticket_open_periods') }}

with periods as (
    select * from {{ ref('ticket_open_periods') }}
)

select * from periods
