{% macro among(columns, relation) -%}
    {%- for column in columns %}
    {{ 'and ' if not loop.first }}{{ column }} = any(array(select distinct {{ column }} from {{ relation }}))
    {%- endfor %}
{%- endmacro %}
