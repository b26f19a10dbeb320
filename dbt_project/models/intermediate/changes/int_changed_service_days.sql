with removed as (
    select * from {{ ref('stg_removed_keys') }}
    where kind = 'service_day'
),

ticket_days as (
    select * from {{ ref('int_ticket_days') }}
    where {{ written_since() }}
)

select cast(key ->> 0 as date) as service_date from removed
union
select service_date from ticket_days
