{{ config(alias='message_history') }}

select * from {{ ref('message_history') }}
