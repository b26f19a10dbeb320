{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

{#- Whom to believe: a CRM is kept by people, an order is written to be delivered, the rest is by the way. -#}
{%- set streams = [
    {'model': 'stg_contacts', 'seen_at': 'updated_at', 'precedence': 1},
    {'model': 'stg_refunds', 'seen_at': 'refunded_at', 'precedence': 3},
    {'model': 'stg_web_events', 'seen_at': 'occurred_at', 'precedence': 3},
    {'model': 'stg_tickets', 'seen_at': 'updated_at', 'precedence': 3},
    {'model': 'stg_survey_responses', 'seen_at': 'responded_at', 'precedence': 3},
    {'model': 'stg_consents', 'seen_at': 'decided_at', 'precedence': 3},
] -%}
{%- set shared_fields = ['first_name', 'last_name', 'country', 'city', 'postal_code', 'time_zone'] -%}
{%- set fields = shared_fields + ['language', 'company_name'] -%}

with identifiers as (
    select * from {{ ref('stg_identifiers') }}
),

buyers as (
    select * from {{ ref('int_order_buyers') }}
),

records as (
    {% for stream in streams %}
    {% set is_contact = stream.model == 'stg_contacts' %}
    select
        {{ customer_of(contact=is_contact) }} as customer_id,
        record.{{ shared_fields | join(', record.') }},
        {{ 'record.' if is_contact else 'cast(null as text) as ' }}language,
        {{ 'record.' if is_contact else 'cast(null as text) as ' }}company_name,
        {{ stream.precedence }} as precedence,
        record.{{ stream.seen_at }} as seen_at
    from {{ ref(stream.model) }} as record
    {{ join_customers('record', contact=is_contact) }}
    union all
    {% endfor %}
    select
        customer_id,
        {{ shared_fields | join(', ') }},
        cast(null as text) as language,
        cast(null as text) as company_name,
        2 as precedence,
        ordered_at as seen_at
    from buyers
),

descriptions as (
    select
        customer_id,
        {{ fields | join(', ') }},
        precedence,
        max(seen_at) as seen_at
    from records
    where customer_id is not null and coalesce({{ fields | join(', ') }}) is not null
    group by customer_id, {{ fields | join(', ') }}, precedence
),

survivors as (
    select
        customer_id,
    {% for field in fields %}
    {{ survivor(field) }} as {{ field }}{{ ',' if not loop.last }}
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
        survivors.{{ fields | join(', survivors.') }}
    from addresses
    left join survivors on addresses.customer_id = survivors.customer_id
)

select * from profiles
