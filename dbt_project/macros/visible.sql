{% macro visible(event_at, version_at=none) -%}
    {%- set batch = var('max_batch_id') -%}
    {%- if execute and batch is none -%}
        {{ exceptions.raise_compiler_error(
            "max_batch_id is not set; give the newest load the run may see, e.g. --vars '{max_batch_id: 12}'"
        ) }}
    {%- endif -%}
    batch_id <= {{ batch or 0 }} and {{ event_at }} < {{ as_of() }}
    and batch_id not in (select batch_id from ops.load_batches where replaced_by <= {{ batch or 0 }})
    {%- if version_at %} and coalesce({{ version_at }}, {{ event_at }}) < {{ as_of() }}{% endif %}
{%- endmacro %}
