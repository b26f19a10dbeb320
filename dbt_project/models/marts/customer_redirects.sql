{{ config(materialized='view') }}

select
    old_customer_id,
    customer_id
from {{ ref('stg_merges') }}
