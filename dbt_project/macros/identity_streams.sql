{% macro identity_streams(append=none) -%}
    {%- set streams = [
        {'name': 'orders', 'key': 'order_id', 'event_at': 'ordered_at', 'version_at': 'updated_at',
         'versions': ['updated_at'], 'seen_at': 'coalesce(updated_at, ordered_at)'},
        {'name': 'order_lines', 'key': 'order_id', 'event_at': 'ordered_at', 'seen_at': 'ordered_at'},
        {'name': 'refunds', 'key': 'refund_id', 'event_at': 'refunded_at', 'seen_at': 'refunded_at'},
        {'name': 'web_events', 'key': 'event_id', 'event_at': 'occurred_at', 'seen_at': 'occurred_at', 'append': true},
        {'name': 'ticket_versions', 'key': 'ticket_id', 'event_at': 'updated_at',
         'versions': ['updated_at', 'version'], 'seen_at': 'updated_at'},
        {'name': 'ticket_events', 'key': 'event_id', 'event_at': 'occurred_at', 'seen_at': 'occurred_at', 'append': true},
        {'name': 'survey_responses', 'key': 'response_id', 'event_at': 'responded_at', 'seen_at': 'responded_at'},
        {'name': 'contacts', 'key': 'contact_id', 'event_at': 'updated_at', 'versions': ['updated_at'],
         'seen_at': 'updated_at'},
        {'name': 'deals', 'key': 'deal_id', 'event_at': 'updated_at', 'versions': ['updated_at'], 'seen_at': 'updated_at'},
        {'name': 'consents', 'key': 'consent_id', 'event_at': 'decided_at', 'seen_at': 'decided_at', 'append': true},
    ] -%}
    {%- if append is none -%}
        {{ return(streams) }}
    {%- endif -%}
    {%- set chosen = [] -%}
    {%- for stream in streams if stream.get('append', false) == append -%}
        {%- do chosen.append(stream) -%}
    {%- endfor -%}
    {{ return(chosen) }}
{%- endmacro %}
