{{ config(materialized='view') }}

with redirects as (
    select * from {{ ref('stg_merges') }}
)

select
    old_customer_id,
    customer_id
from redirects
