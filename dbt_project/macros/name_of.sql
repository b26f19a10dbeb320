{% macro name_of(first, second) -%}
    (lower(btrim(coalesce({{ first }}, '') || ' ' || coalesce({{ second }}, ''))) collate "C")
{%- endmacro %}
