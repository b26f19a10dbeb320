{% macro newly_seen(stream) -%}
    {%- if var('since_run_id') is none -%}
    true
    {%- else -%}
    {#- An array, because PostgreSQL takes it to the index on batch_id, which it does not with `in` under `or`. -#}
    batch_id = any(array(
        select batch_id from {{ source('ops', 'load_batches') }}
        where
            stream = '{{ stream }}'
            and batch_id <= {{ var('max_batch_id') }}
            and (
                batch_id > {{ var('since_batch_id') }}
                or latest_time >= cast('{{ var("since_as_of") }}' as timestamptz)
            )
    ))
    {%- endif -%}
{%- endmacro %}
