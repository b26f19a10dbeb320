{% macro cleaned(text) -%}
    nullif(trim(translate({{ text }}, '{{ "\t\n\r\u00a0" }}', '    ')), '')
{%- endmacro %}
