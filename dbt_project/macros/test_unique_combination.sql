{% test unique_combination(model, columns, changed=none) %}
    select
        {{ columns | join(', ') }},
        count(*) as row_count
    from {{ model }}
    {% if changed and var('since_run_id') is not none -%}
    where {{ among(columns, changed) }}
    {%- endif %}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
