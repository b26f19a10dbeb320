-- A former id leads, in one step, to somebody who has an identifier today, and nobody has it any more.
with redirects as (
    select * from {{ ref('customer_redirects') }}
),

identifiers as (
    select * from {{ ref('stg_identifiers') }}
)

select redirects.*
from redirects
where
    not exists (
        select from identifiers
        where identifiers.customer_id = redirects.customer_id
    )
    or exists (
        select from redirects as further
        where further.old_customer_id = redirects.customer_id
    )
    or exists (
        select from identifiers
        where identifiers.customer_id = redirects.old_customer_id
    )
