{{ config(tags=['as_of'], materialized='view') }}

-- An edition that was held, rejected or cancelled before anything left has treated nobody, in either arm.
with arms as (
    select * from {{ ref('stg_arms') }}
),

editions as (
    select * from {{ ref('int_editions_that_left') }}
)

select
    arms.campaign,
    arms.customer_id,
    arms.arm,
    arms.variant,
    arms.edition_id,
    arms.due_at
from arms
inner join editions on arms.edition_id = editions.edition_id
