with tickets as (
    select * from {{ ref('int_changed_tickets') }}
),

first_contacts as (
    select * from {{ ref('int_ticket_first_contacts') }}
    where {{ written_since() }}
)

select
    source,
    ticket_id
from tickets
union
select
    source,
    ticket_id
from first_contacts
