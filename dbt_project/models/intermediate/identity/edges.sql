{{ config(schema='identity', materialized='view', post_hook=[], pre_hook=[]) }}
{%- set kinds = [
    {'kind': 'customer_number', 'source': 'source', 'value': 'customer_number'},
    {'kind': 'contact', 'source': 'source', 'value': 'contact_id'},
    {'kind': 'email', 'source': "''", 'value': 'email'},
    {'kind': 'phone', 'source': "''", 'value': 'phone'},
    {'kind': 'device', 'source': "''", 'value': 'anonymous_id'},
] %}

with observations as (
    select * from {{ ref('int_identity_observations') }}
    where is_current
),

pairs as (
    {% for left in kinds -%}
    {% set outer = loop -%}
    {% for right in kinds[outer.index:] -%}
    select
        '{{ left.kind }}' as kind_a,
        {{ left.source }} as source_a,
        {{ left.value }} as value_a,
        '{{ right.kind }}' as kind_b,
        {{ right.source }} as source_b,
        {{ right.value }} as value_b,
        stream,
        source,
        record_id,
        first_batch_id,
        first_seen_at,
        last_seen_at
    from observations
    where {{ left.value }} is not null and {{ right.value }} is not null
    {% if not (outer.index == kinds | length - 1 and loop.last) %}union all{% endif %}
    {% endfor -%}
    {% endfor %}
),

edges as (
    select
        kind_a,
        source_a,
        value_a,
        kind_b,
        source_b,
        value_b,
        stream,
        source,
        (array_agg(record_id order by first_seen_at, record_id))[1] as record_id,
        min(first_batch_id) as first_batch_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from pairs
    group by kind_a, source_a, value_a, kind_b, source_b, value_b, stream, source
)

select * from edges
