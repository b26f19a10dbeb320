{{ config(
    materialized='incremental',
    tags=['as_of'],
    pre_hook="{{ forget(
        ref('int_changed_touches'), ['kind', 'source', 'record_id'], owner='customer_id',
        remember={'touch': ['customer_id', 'happened_at']}
    ) }}",
    indexes=[
        {'columns': ['touch_id'], 'unique': true},
        {'columns': ['record_id', 'kind', 'source'], 'unique': true},
        {'columns': ['customer_id', 'happened_at', 'kind']},
        {'columns': ['run_id']},
    ],
) }}

with orders as (
    select
        facts.customer_id,
        facts.ordered_at as happened_at,
        'order' as kind,
        facts.source,
        facts.order_id as record_id,
        facts.sales_channel as detail,
        'Order ' || facts.order_id || ', ' || facts.line_count
        || case when facts.line_count = 1 then ' line' else ' lines' end as title,
        facts.gross_amount as amount,
        facts.currency
    from {{ touched('order', 'int_orders_summed', 'order_id') }}
),

returns as (
    select
        facts.customer_id,
        facts.returned_at as happened_at,
        'return' as kind,
        facts.source,
        facts.return_key as record_id,
        facts.kind as detail,
        case
            when facts.kind = 'return' then 'Return'
            else 'Refund' || coalesce(' (' || facts.kind || ')', '')
        end
        || coalesce(' of ' || trim_scale(facts.quantity) || ' × ' || facts.product_id, '') as title,
        facts.amount,
        facts.currency
    from {{ touched('return', 'int_returns_combined', 'return_key') }}
),

visits as (
    select
        facts.customer_id,
        facts.started_at as happened_at,
        'visit' as kind,
        facts.source,
        facts.session_id as record_id,
        facts.channel as detail,
        'Visit, ' || facts.event_count
        || case when facts.event_count = 1 then ' event' else ' events' end as title,
        cast(null as numeric) as amount,
        cast(null as text) as currency
    from {{ touched('visit', 'int_sessions_classified', 'session_id') }} and facts.bot_reason is null
),

tickets as (
    select
        facts.customer_id,
        coalesce(facts.opened_at, facts.updated_at) as happened_at,
        'ticket' as kind,
        facts.source,
        facts.ticket_id as record_id,
        facts.category as detail,
        'Ticket ' || facts.ticket_id || coalesce(': ' || facts.subject, '') as title,
        cast(null as numeric) as amount,
        cast(null as text) as currency
    from {{ touched('ticket', 'int_tickets_enriched', 'ticket_id') }}
),

surveys as (
    select
        facts.customer_id,
        facts.responded_at as happened_at,
        'survey' as kind,
        facts.source,
        facts.response_id as record_id,
        facts.metric as detail,
        upper(facts.metric) || ' ' || trim_scale(facts.score) as title,
        cast(null as numeric) as amount,
        cast(null as text) as currency
    from {{ touched('survey', 'int_survey_responses_identified', 'response_id') }}
),

-- A decision that concerns several addresses was still taken once.
consents as (
    select distinct
        facts.customer_id,
        facts.decided_at as happened_at,
        'consent' as kind,
        facts.source,
        facts.consent_id as record_id,
        facts.decision as detail,
        facts.topic || ' by ' || facts.channel || ' ' || facts.decision as title,
        cast(null as numeric) as amount,
        cast(null as text) as currency
    from {{ touched('consent', 'int_consent_decisions', 'consent_id') }}
),

emails as (
    select
        facts.customer_id,
        facts.happened_at,
        'email' as kind,
        facts.source,
        facts.record_id,
        facts.event as detail,
        'E-mail ' || facts.campaign || ' ' || facts.event as title,
        cast(null as numeric) as amount,
        cast(null as text) as currency
    from {{ touched('email', 'int_email_touches', 'record_id') }}
),

touches as (
    {% for kind in ['orders', 'returns', 'visits', 'tickets', 'surveys', 'consents', 'emails'] -%}
    select * from {{ kind }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    md5(cast(jsonb_build_array(kind, source, record_id) as text)) as touch_id,
    customer_id,
    happened_at,
    kind,
    source,
    record_id,
    detail,
    title,
    amount,
    currency,
    {{ run_id() }} as run_id
from touches
where customer_id is not null
