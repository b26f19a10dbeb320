{{ config(alias='orders') }}

select * from {{ ref('orders') }}
