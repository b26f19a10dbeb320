{% macro company_key(relation) -%}
    coalesce(
        {{ relation }}.source || ':' || {{ relation }}.company_id,
        {{ relation }}.source || ':name:' || lower({{ relation }}.company_name)
    )
{%- endmacro %}
