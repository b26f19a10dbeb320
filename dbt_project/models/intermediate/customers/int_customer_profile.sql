{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

{#- Whom to believe: a CRM is kept by people, an order is written to be delivered, the rest is by the way. -#}
{%- set streams = [
    {'model': 'stg_contacts', 'seen_at': 'updated_at', 'precedence': 1},
    {'model': 'stg_orders', 'seen_at': 'ordered_at', 'precedence': 2},
    {'model': 'stg_refunds', 'seen_at': 'refunded_at', 'precedence': 3},
    {'model': 'stg_web_events', 'seen_at': 'occurred_at', 'precedence': 3},
    {'model': 'stg_tickets', 'seen_at': 'updated_at', 'precedence': 3},
    {'model': 'stg_survey_responses', 'seen_at': 'responded_at', 'precedence': 3},
    {'model': 'stg_consents', 'seen_at': 'decided_at', 'precedence': 3},
] -%}
{%- set fields = ['first_name', 'last_name', 'country', 'city', 'postal_code', 'time_zone'] -%}
{%- set contact_fields = ['language', 'company_name'] -%}

with identifiers as (
    select * from {{ ref('stg_identifiers') }}
),

order_lines as (
    select * from {{ ref('int_order_lines_identified') }}
),

records as (
    {% for stream in streams %}
    {% set is_contact = stream.model == 'stg_contacts' %}
    select
        {{ customer_of(contact=is_contact) }} as customer_id,
        {% for field in fields %}
        record.{{ field }},
        {% endfor %}
        {% for field in contact_fields %}
        {{ 'record.' ~ field if is_contact else 'cast(null as text) as ' ~ field }},
        {% endfor %}
        {{ stream.precedence }} as precedence,
        record.{{ stream.seen_at }} as seen_at
    from {{ ref(stream.model) }} as record
    {{ join_customers('record', contact=is_contact) }}
    union all
    {% endfor %}
    select
        customer_id,
        {{ fields | join(',\n        ') }},
        {% for field in contact_fields %}
        cast(null as text) as {{ field }},
        {% endfor %}
        2 as precedence,
        ordered_at as seen_at
    from order_lines
),

descriptions as (
    select
        customer_id,
        {{ (fields + contact_fields) | join(',\n        ') }},
        precedence,
        max(seen_at) as seen_at
    from records
    where customer_id is not null and coalesce({{ (fields + contact_fields) | join(', ') }}) is not null
    group by customer_id, {{ (fields + contact_fields) | join(', ') }}, precedence
),

chosen as (
    select
        customer_id,
        {% for field in fields + contact_fields %}
        (array_agg({{ field }} order by precedence, seen_at desc, {{ field }}) filter (
            where {{ field }} is not null
        ))[1] as {{ field }}{{ ',' if not loop.last }}
        {% endfor %}
    from descriptions
    group by customer_id
),

addresses as (
    select
        customer_id,
        (array_agg(value order by last_seen_at desc, value) filter (where kind = 'email'))[1] as email,
        (array_agg(value order by last_seen_at desc, value) filter (where kind = 'phone'))[1] as phone
    from identifiers
    group by customer_id
),

profiles as (
    select
        addresses.customer_id,
        addresses.email,
        addresses.phone,
        {% for field in fields + contact_fields %}
        chosen.{{ field }}{{ ',' if not loop.last }}
        {% endfor %}
    from addresses
    left join chosen on addresses.customer_id = chosen.customer_id
)

select * from profiles
