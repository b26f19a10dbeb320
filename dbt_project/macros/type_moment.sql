{% macro type_moment() -%}
    {{ 'timestamptz' if target.type == 'postgres' else 'timestamp' }}
{%- endmacro %}
