{% set streams = [
    {'name': 'orders', 'model': 'stg_orders', 'record_id': 'order_id', 'seen_at': 'coalesce(updated_at, ordered_at)'},
    {'name': 'order_lines', 'model': 'stg_order_lines', 'record_id': 'order_id', 'seen_at': 'ordered_at'},
    {'name': 'refunds', 'model': 'stg_refunds', 'record_id': 'refund_id', 'seen_at': 'refunded_at'},
    {'name': 'web_events', 'model': 'stg_web_events', 'record_id': 'event_id', 'seen_at': 'occurred_at'},
    {'name': 'ticket_versions', 'model': 'stg_tickets', 'record_id': 'ticket_id', 'seen_at': 'updated_at'},
    {'name': 'ticket_events', 'model': 'stg_ticket_events', 'record_id': 'event_id', 'seen_at': 'occurred_at'},
    {'name': 'survey_responses', 'model': 'stg_survey_responses', 'record_id': 'response_id', 'seen_at': 'responded_at'},
    {'name': 'contacts', 'model': 'stg_contacts', 'record_id': 'contact_id', 'seen_at': 'updated_at'},
    {'name': 'consents', 'model': 'stg_consents', 'record_id': 'consent_id', 'seen_at': 'decided_at'},
] %}

with observed as (
    {% for stream in streams %}
    select
        '{{ stream.name }}' as stream,
        source,
        customer_number,
        email,
        phone,
        {{ 'contact_id' if stream.name == 'contacts' else 'cast(null as text) as contact_id' }},
        anonymous_id,
        {{ stream.record_id }} as record_id,
        {{ stream.seen_at }} as seen_at,
        batch_id
    from {{ ref(stream.model) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

combinations as (
    select
        stream,
        source,
        customer_number,
        email,
        phone,
        contact_id,
        anonymous_id,
        (array_agg(record_id order by seen_at, record_id))[1] as record_id,
        min(batch_id) as first_batch_id,
        min(seen_at) as first_seen_at,
        max(seen_at) as last_seen_at
    from observed
    where coalesce(customer_number, email, phone, contact_id, anonymous_id) is not null
    group by stream, source, customer_number, email, phone, contact_id, anonymous_id
)

select * from combinations
