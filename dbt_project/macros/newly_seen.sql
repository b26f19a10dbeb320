{% macro newly_seen(stream) -%}
    {%- set times = {
        'orders': ['ordered_at', 'updated_at', 'cancelled_at'],
        'order_lines': ['ordered_at'],
        'refunds': ['refunded_at'],
        'web_events': ['occurred_at'],
        'ticket_versions': ['opened_at', 'updated_at', 'first_replied_at', 'solved_at'],
        'ticket_events': ['occurred_at'],
        'survey_responses': ['responded_at'],
        'contacts': ['updated_at'],
        'consents': ['decided_at', 'confirmed_at'],
        'deals': ['opened_at', 'updated_at', 'closed_at'],
        'companies': ['updated_at'],
    } -%}
    {%- if var('since_run_id') is none -%}
    true
    {%- else -%}
    {%- set since = "cast('" ~ var('since_as_of') ~ "' as timestamptz)" -%}
    {#- An array, because PostgreSQL takes it to the index on batch_id, which it does not with `in` under `or`. -#}
    batch_id = any(array(
        select batch_id from {{ source('ops', 'load_batches') }}
        where
            stream = '{{ stream }}'
            and batch_id <= {{ var('max_batch_id') }}
            and (batch_id > {{ var('since_batch_id') }} or latest_time >= {{ since }})
    ))
    and (
        batch_id > {{ var('since_batch_id') }}
        {%- for time in times[stream] %}
        or {{ time }} >= {{ since }}
        {%- endfor %}
    )
    {%- endif -%}
{%- endmacro %}
