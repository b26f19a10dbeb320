{{ config(alias='answers') }}

select * from {{ ref('answers') }}
