{{ config(materialized='view') }}

with periods as (
    select * from {{ ref('int_ticket_open_periods') }}
)

select
    source,
    ticket_id,
    began_at,
    ended_at,
    first_began_at,
    channel,
    category,
    team
from periods
