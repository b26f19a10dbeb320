{% macro before_as_of(days=0, hours=0) -%}
    {{ as_of() }} - interval '{{ 24 * days + hours }} hours'
{%- endmacro %}
