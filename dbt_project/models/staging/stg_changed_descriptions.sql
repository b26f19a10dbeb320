{{ config(tags=['since']) }}

{% set streams = {
    'contacts': 'contact_id',
    'refunds': 'refund_id',
    'ticket_versions': 'ticket_id',
    'survey_responses': 'response_id',
    'consents': 'consent_id',
} %}

{% for stream, record_id in streams.items() -%}
select distinct
    '{{ stream }}' as stream,
    source,
    {{ record_id }} as record_id
from {{ source('raw', stream) }}
where {{ newly_seen(stream) }}
{{ 'union all' if not loop.last }}
{% endfor %}
