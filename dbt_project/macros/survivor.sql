{% macro survivor(field) -%}
    (array_agg({{ field }} order by precedence, seen_at desc, {{ field }}) filter (
        where {{ field }} is not null
    ))[1]
{%- endmacro %}
