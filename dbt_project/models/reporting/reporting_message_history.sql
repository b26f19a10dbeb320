{{ config(alias='message_history') }}

with history as (
    select * from {{ ref('message_history') }}
)

select * from history
