{% macro as_of() -%}
    {%- set value = var('as_of') -%}
    {%- if value is none -%}
        {%- if execute -%}
            {{ exceptions.raise_compiler_error(
                "as_of is not set; give the run's time, e.g. --vars '{as_of: 2026-07-01T06:00:00Z, max_batch_id: 12}'"
            ) }}
        {%- endif -%}
        {%- set value = '0001-01-01' -%}
    {%- endif -%}
    {%- set moment = modules.datetime.datetime.fromisoformat(value | string) -%}
    {%- if moment.tzinfo is none -%}
        {%- set moment = moment.replace(tzinfo=modules.pytz.utc) -%}
    {%- endif -%}
    cast('{{ moment.isoformat() }}' as {{ type_moment() }})
{%- endmacro %}
