{% macro email_address(email) -%}
    {%- set address = 'lower(' ~ cleaned(email) ~ ')' -%}
    case
        when {{ email }} not like '%@%@%'
            and {{ address }} like '%_@_%._%'
            and translate({{ address }}, ' ,;<>"', '') = {{ address }}
            then {{ address }}
    end
{%- endmacro %}
