{{ config(alias='customer_identifiers') }}

-- A shop that numbers its customers by their addresses or phones has no numbers that can be shown.
select
    kind,
    source,
    value as customer_number,
    customer_id,
    first_seen_at,
    last_seen_at
from {{ ref('customer_identifiers') }}
where kind = 'customer_number' and value !~ '[@+]'
