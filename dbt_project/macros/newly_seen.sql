{% macro newly_seen(stream) -%}
    {%- if var('since_run_id') is none -%}
    true
    {%- else -%}
    batch_id <= {{ var('max_batch_id') }}
    and (
        batch_id > {{ var('since_batch_id') }}
        or batch_id in (
            select batch_id from {{ source('ops', 'load_batches') }}
            where stream = '{{ stream }}' and latest_time >= cast('{{ var("since_as_of") }}' as timestamptz)
        )
    )
    {%- endif -%}
{%- endmacro %}
