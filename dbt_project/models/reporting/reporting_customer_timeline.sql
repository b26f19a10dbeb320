{{ config(alias='customer_timeline') }}

select
    touch_id,
    customer_id,
    happened_at,
    kind,
    source,
    record_id,
    detail,
    -- A ticket's title says what the customer wrote.
    case when kind = 'ticket' then 'Ticket ' || record_id else title end as heading,
    amount,
    currency,
    run_id
from {{ ref('customer_timeline') }}
