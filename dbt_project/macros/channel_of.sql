{% macro channel_of(medium_kind, source_kind, referrer_kind) -%}
    {%- set sited = ['search', 'social', 'video', 'shopping'] -%}
    case
        {% for kind in sited -%}
        when {{ medium_kind }} = 'paid' and coalesce({{ source_kind }}, {{ referrer_kind }}) = '{{ kind }}' then 'paid_{{ kind }}'
        {% endfor -%}
        when {{ medium_kind }} = 'paid' and {{ source_kind }} = 'display' then 'display'
        when {{ medium_kind }} = 'paid' then 'paid_other'
        when {{ medium_kind }} = 'organic' then
            case when {{ source_kind }} in ('social', 'video', 'shopping')
                then {{ dbt.concat(["'organic_'", source_kind]) }} else 'organic_search' end
        when {{ medium_kind }} in ('social', 'video', 'shopping') then {{ dbt.concat(["'organic_'", medium_kind]) }}
        when {{ medium_kind }} is not null then {{ medium_kind }}
        {% for kind in sited -%}
        when {{ source_kind }} = '{{ kind }}' then 'organic_{{ kind }}'
        {% endfor -%}
        when {{ source_kind }} is not null then {{ source_kind }}
        when utm_source is not null or utm_medium is not null or utm_campaign is not null then 'other'
        when referrer_host is null or {{ referrer_kind }} = 'none' then 'direct'
        {% for kind in sited -%}
        when {{ referrer_kind }} = '{{ kind }}' then 'organic_{{ kind }}'
        {% endfor -%}
        when {{ referrer_kind }} is not null then {{ referrer_kind }}
        else 'referral'
    end
{%- endmacro %}
