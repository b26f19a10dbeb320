{% macro host_of(url) -%}
    {%- set place = namespace(text=dbt.split_part(url, "'//'", 2)) -%}
    {%- for end in ["'/'", "'?'", "'#'", "':'"] -%}
        {%- set place.text = dbt.split_part(place.text, end, 1) -%}
    {%- endfor -%}
    {%- set host = 'lower(' ~ place.text ~ ')' -%}
    nullif(case when {{ host }} like 'www.%' then substr({{ host }}, 5) else {{ host }} end, '')
{%- endmacro %}
