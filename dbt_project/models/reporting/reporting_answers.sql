{{ config(alias='answers') }}

with answers as (
    select * from {{ ref('answers') }}
)

select * from answers
