{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_descriptions'), ['stream', 'source', 'record_id'], owner='customer_id') }}",
    indexes=[{'columns': ['stream', 'source', 'record_id'], 'unique': true}, {'columns': ['customer_id']}],
) }}

{%- set streams = {
    'contacts': {'model': 'stg_contacts', 'record_id': 'contact_id', 'seen_at': 'updated_at', 'precedence': 1},
    'refunds': {'model': 'stg_refunds', 'record_id': 'refund_id', 'seen_at': 'refunded_at', 'precedence': 3},
    'ticket_versions': {'model': 'stg_tickets', 'record_id': 'ticket_id', 'seen_at': 'updated_at', 'precedence': 3},
    'survey_responses': {
        'model': 'stg_survey_responses', 'record_id': 'response_id', 'seen_at': 'responded_at', 'precedence': 3,
    },
    'consents': {'model': 'stg_consents', 'record_id': 'consent_id', 'seen_at': 'decided_at', 'precedence': 3},
} -%}
{%- set shared = ['first_name', 'last_name', 'country', 'city', 'postal_code', 'time_zone'] -%}
{%- set own = ['language', 'company_name'] -%}

with changed as (
    select * from {{ ref('int_changed_descriptions') }}
),

{% for stream, record in streams.items() -%}
{{ stream }} as (
    select
        '{{ stream }}' as stream,
        source,
        {{ record.record_id }} as record_id,
        customer_number,
        email,
        phone,
        anonymous_id,
        {{ 'contact_id' if stream == 'contacts' else 'cast(null as text) as contact_id' }},
        {{ shared | join(', ') }},
        {% for field in own -%}
        {{ field if stream == 'contacts' else 'cast(null as text) as ' ~ field }},
        {% endfor -%}
        {{ record.precedence }} as precedence,
        {{ record.seen_at }} as seen_at
    from {{ ref(record.model) }}
    where
        coalesce({{ shared | join(', ') }}{{ ', ' ~ own | join(', ') if stream == 'contacts' }}) is not null
        {% if is_incremental() -%}
        and source = any(array(select distinct source from changed))
        and {{ record.record_id }} = any(array(
            select record_id from changed
            where stream = '{{ stream }}'
        ))
        {%- endif %}
),

{% endfor -%}
records as (
    {% for stream in streams -%}
    select * from {{ stream }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    records.stream,
    records.source,
    records.record_id,
    {{ customer_of(contact=true) }} as customer_id,
    records.customer_number,
    records.email,
    records.phone,
    records.anonymous_id,
    records.contact_id,
    records.{{ (shared + own) | join(',\n    records.') }},
    records.precedence,
    records.seen_at,
    {{ run_id() }} as run_id
from records
{% if is_incremental() -%}
inner join changed
    on
        records.stream = changed.stream
        and records.source = changed.source
        and records.record_id = changed.record_id
{%- endif %}
{{ join_customers('records', contact=true) }}
