{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customers'), ['customer_id']) }}",
    indexes=[{'columns': ['customer_id'], 'unique': true}],
) }}

{#- What belongs together is of one record: a first name of one and a last name of another is nobody. -#}
{%- set groups = {
    'name': {'fields': ['first_name', 'last_name'], 'incomplete': 'first_name is null or last_name is null'},
    'place': {'fields': ['city', 'postal_code'], 'incomplete': 'city is null'},
    'country': {'fields': ['country']},
    'time_zone': {'fields': ['time_zone']},
    'language': {'fields': ['language']},
    'company': {'fields': ['company_name']},
} -%}

-- Whom to believe: a CRM is kept by people, an order is written to be delivered, the rest is by the way.
with described as (
    select
        customer_id,
        source,
        first_name,
        last_name,
        country,
        city,
        postal_code,
        time_zone,
        language,
        company_name,
        precedence,
        seen_at
    from {{ ref('int_descriptions_identified') }}
    union all
    select
        customer_id,
        source,
        first_name,
        last_name,
        country,
        city,
        postal_code,
        time_zone,
        null as language,
        null as company_name,
        2 as precedence,
        ordered_at as seen_at
    from {{ ref('int_order_buyers') }}
    where coalesce(first_name, last_name, country, city, postal_code, time_zone) is not null
    union all
    select
        customer_id,
        source,
        first_name,
        last_name,
        country,
        city,
        postal_code,
        time_zone,
        null as language,
        null as company_name,
        3 as precedence,
        occurred_at as seen_at
    from {{ ref('int_web_events_sessionized') }}
    where coalesce(first_name, last_name, country, city, postal_code, time_zone) is not null
),

descriptions as (
    select * from described
    where
        customer_id is not null
        {% if is_incremental() -%}
        and customer_id = any(array(select customer_id from {{ ref('int_changed_customers') }}))
        {%- endif %}
),

{% for name, group in groups.items() -%}
{{ name }}_chosen as (
    select distinct on (customer_id)
        customer_id,
        {{ group.fields | join(', ') }},
        source as {{ name }}_source
    from descriptions
    where coalesce({{ group.fields | join(', ') }}) is not null
    order by
        customer_id,
        {% if group.incomplete -%}
        {{ group.incomplete }},
        {% endif -%}
        precedence,
        seen_at desc,
        {{ group.fields | join(', ') }},
        source
),

{% endfor -%}
customers as (
    select distinct customer_id from descriptions
)

select
    customers.customer_id,
    {% for name, group in groups.items() -%}
    {% for field in group.fields -%}
    {{ name }}_chosen.{{ field }},
    {% endfor -%}
    {{ name }}_chosen.{{ name }}_source,
    {% endfor -%}
    {{ run_id() }} as run_id
from customers
{% for name in groups -%}
left join {{ name }}_chosen on customers.customer_id = {{ name }}_chosen.customer_id
{% endfor %}
