{% macro cleaned(text) -%}
    nullif(trim(both '{{ " \t\n\r\u00a0" }}' from {{ text }}), '')
{%- endmacro %}
