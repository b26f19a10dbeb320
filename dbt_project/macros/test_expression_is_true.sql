{% test expression_is_true(model, expression, changed=none, key=[]) %}
    select * from {{ model }}
    where
        ({{ expression }}) is not true
        {% if changed and var('since_run_id') is not none -%}
        and {{ among(key, changed) }}
        {%- endif %}
{% endtest %}
