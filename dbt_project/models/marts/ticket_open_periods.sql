{{ config(materialized='view') }}

select
    source,
    ticket_id,
    began_at,
    ended_at,
    first_began_at,
    channel,
    category,
    team
from {{ ref('int_ticket_open_periods') }}
