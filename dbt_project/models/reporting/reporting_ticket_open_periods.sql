{{ config(alias='ticket_open_periods') }}

select * from {{ ref('ticket_open_periods') }}
