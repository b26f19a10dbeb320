{% macro identity_columns() -%}
    {{ cleaned('customer_number') }} as customer_number,
    {{ email_address('email') }} as email,
    {%- for column in ['phone', 'anonymous_id', 'first_name', 'last_name', 'country', 'city', 'postal_code', 'time_zone'] %}
    {{ cleaned(column) }} as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
