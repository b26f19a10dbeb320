{{ config(tags=['as_of']) }}

{# Kind of touch, the facts that it is made from, their key, and where those that are gone are known from. #}
{% set kinds = [
    {'kind': 'order', 'facts': 'int_orders_summed', 'record_id': 'order_id', 'gone': 'int_changed_orders'},
    {'kind': 'return', 'facts': 'int_returns_combined', 'record_id': 'return_key', 'gone': 'int_changed_returns'},
    {'kind': 'visit', 'facts': 'int_sessions_classified', 'record_id': 'session_id', 'gone': none},
    {'kind': 'ticket', 'facts': 'int_tickets_enriched', 'record_id': 'ticket_id', 'gone': 'int_changed_tickets'},
    {'kind': 'survey', 'facts': 'int_survey_responses_identified', 'record_id': 'response_id',
        'gone': 'int_changed_survey_responses'},
    {'kind': 'consent', 'facts': 'int_consent_decisions', 'record_id': 'consent_id', 'gone': 'int_changed_consents'},
] %}

with removed_visits as (
    select * from {{ ref('stg_removed_keys') }}
    where kind = 'visit'
),

emails as (
    select * from {{ ref('int_email_touches') }}
),

{% if var('since_run_id') is not none -%}
told as (
    select * from {{ previous('customer_timeline', 'marts') }}
    where kind = 'email'
),
{%- endif %}

changed as (
    {% for touch in kinds -%}
    select
        '{{ touch.kind }}' as kind,
        source,
        {{ touch.record_id }} as record_id
    from {{ ref(touch.facts) }}
    where {{ written_since() }}
    union
    {% if touch.gone -%}
    select
        '{{ touch.kind }}' as kind,
        source,
        {{ touch.record_id }} as record_id
    from {{ ref(touch.gone) }}
    union
    {% endif -%}
    {% endfor -%}
    select
        'visit' as kind,
        key ->> 0 as source,
        key ->> 1 as record_id
    from removed_visits
    {% if var('since_run_id') is not none -%}
    union
    -- E-mails do not come in batches: changed is what the timeline lacks, tells otherwise or should not tell.
    select
        'email' as kind,
        'rapport' as source,
        coalesce(emails.record_id, told.record_id) as record_id
    from emails
    full join told on emails.record_id = told.record_id
    where
        emails.customer_id is distinct from told.customer_id
        or emails.happened_at is distinct from told.happened_at
    {%- endif %}
)

select * from changed
