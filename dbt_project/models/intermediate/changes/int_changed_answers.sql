with responses as (
    select * from {{ ref('int_changed_survey_responses') }}
),

tickets as (
    select * from {{ ref('int_changed_tickets') }}
),

orders as (
    select * from {{ ref('int_changed_orders') }}
),

-- An answer takes its channel and category from what it is about.
asked_about as (
    select ticket_id as record_id from tickets
    union
    select order_id as record_id from orders
)

select
    source,
    'survey' as kind,
    response_id as record_id
from responses
union
select
    source,
    'survey' as kind,
    response_id as record_id
from {{ ref('int_survey_responses_identified') }}
where about = any(array(select asked_about.record_id from asked_about))
union
select
    source,
    'ticket' as kind,
    ticket_id as record_id
from tickets
