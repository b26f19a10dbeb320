{% macro customer_of(contact=false) -%}
    {%- set kinds = ['customer_number', 'email', 'phone'] + (['contact'] if contact else []) + ['device'] -%}
    coalesce(
        {%- for kind in kinds %}
        by_{{ kind }}.customer_id{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro join_customers(relation, contact=false) -%}
    {%- set columns = {'customer_number': 'customer_number', 'email': 'email', 'phone': 'phone', 'device': 'anonymous_id'} -%}
    {%- if contact -%}{%- do columns.update({'contact': 'contact_id'}) -%}{%- endif -%}
    {%- for kind, column in columns.items() %}
    left join {{ ref('stg_identifiers') }} as by_{{ kind }}
        on
            by_{{ kind }}.kind = '{{ kind }}'
            and by_{{ kind }}.source = {{ relation ~ '.source' if kind in ('customer_number', 'contact') else "''" }}
            and by_{{ kind }}.value = {{ relation }}.{{ column }}
    {%- endfor %}
{%- endmacro %}
