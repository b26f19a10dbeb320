{% macro web_event_columns(relation) -%}
    {%- for column in [
        'source', 'event_id', 'anonymous_id', 'customer_number', 'email', 'phone', 'first_name', 'last_name',
        'country', 'city', 'postal_code', 'time_zone', 'event_name', 'page_url',
        'referrer', 'utm_source', 'utm_medium', 'utm_campaign', 'product_id', 'value', 'user_agent', 'occurred_at',
    ] %}
    {{ relation }}.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
