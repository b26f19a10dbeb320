with orders as (
    select
        customer_id,
        ordered_at as happened_at,
        'order' as kind,
        source,
        order_id as record_id,
        'Order ' || order_id || ', ' || line_count
        || case when line_count = 1 then ' line' else ' lines' end as title,
        gross_amount as amount,
        currency
    from {{ ref('orders') }}
),

returns as (
    select
        customer_id,
        returned_at as happened_at,
        'return' as kind,
        source,
        return_key as record_id,
        case when kind = 'return' then 'Return' else 'Refund' || coalesce(' (' || kind || ')', '') end
        || coalesce(' of ' || trim_scale(quantity) || ' × ' || product_id, '') as title,
        amount,
        currency
    from {{ ref('returns') }}
),

visits as (
    select
        customer_id,
        started_at as happened_at,
        'visit' as kind,
        source,
        session_id as record_id,
        'Visit, ' || event_count || case when event_count = 1 then ' event' else ' events' end as title,
        cast(null as numeric) as amount,
        cast(null as text) as currency
    from {{ ref('sessions') }}
),

tickets as (
    select
        customer_id,
        coalesce(opened_at, updated_at) as happened_at,
        'ticket' as kind,
        source,
        ticket_id as record_id,
        'Ticket ' || ticket_id || coalesce(': ' || subject, '') as title,
        cast(null as numeric) as amount,
        cast(null as text) as currency
    from {{ ref('tickets') }}
),

surveys as (
    select
        customer_id,
        responded_at as happened_at,
        'survey' as kind,
        source,
        response_id as record_id,
        upper(metric) || ' ' || trim_scale(score) as title,
        cast(null as numeric) as amount,
        cast(null as text) as currency
    from {{ ref('survey_responses') }}
),

-- A decision that concerns several addresses was still taken once.
consents as (
    select distinct
        customer_id,
        decided_at as happened_at,
        'consent' as kind,
        source,
        consent_id as record_id,
        topic || ' by ' || channel || ' ' || decision as title,
        cast(null as numeric) as amount,
        cast(null as text) as currency
    from {{ ref('int_consent_decisions') }}
),

touches as (
    select * from orders
    union all
    select * from returns
    union all
    select * from visits
    union all
    select * from tickets
    union all
    select * from surveys
    union all
    select * from consents
)

select
    md5(cast(jsonb_build_array(kind, source, record_id) as text)) as touch_id,
    customer_id,
    happened_at,
    kind,
    source,
    record_id,
    title,
    amount,
    currency
from touches
where customer_id is not null
