{% macro reporting_amount(amount, currency, moment) -%}
    case
        when {{ currency }} = '{{ var("reporting_currency") }}' then {{ amount }}
        else {{ amount }} * (
            select rates.rate from {{ ref('int_exchange_rates_used') }} as rates
            where
                rates.from_currency = {{ currency }}
                and rates.valid_from <= cast({{ moment }} at time zone 'UTC' as date)
            order by rates.valid_from desc
            limit 1
        )
    end
{%- endmacro %}
