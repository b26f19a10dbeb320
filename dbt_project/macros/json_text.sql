{% macro json_text(document, name) -%}
    {%- if target.type == 'postgres' -%}
    {{ document }} ->> '{{ name }}'
    {%- else -%}
    get_json_object({{ document }}, '$.{{ name }}')
    {%- endif -%}
{%- endmacro %}
