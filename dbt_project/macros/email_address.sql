{% macro email_address(email) -%}
    {%- set address = 'lower(' ~ cleaned(email) ~ ')' -%}
    case
        when {{ address }} like '%_@_%._%'
            and {{ address }} not like '%@%@%'
            {% for forbidden in [' ', ',', ';', '<', '>', '"'] -%}
            and {{ address }} not like '%{{ forbidden }}%'
            {% endfor -%}
            then {{ address }}
    end
{%- endmacro %}
