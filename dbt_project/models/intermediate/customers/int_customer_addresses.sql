{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

with identifiers as (
    select * from {{ ref('stg_identifiers') }}
),

chosen as (
    select
        customer_id,
        (array_agg(value order by last_seen_at desc, value) filter (where kind = 'email'))[1] as email,
        (array_agg(value order by last_seen_at desc, value) filter (where kind = 'phone'))[1] as phone
    from identifiers
    group by customer_id
)

select
    {% for kind in ['email', 'phone'] -%}
    {{ kind }},
    (
        select observations.source
        from {{ ref('int_identity_observations') }} as observations
        where observations.{{ kind }} = chosen.{{ kind }}
        order by observations.last_seen_at desc, observations.source
        limit 1
    ) as {{ kind }}_source,
    {% endfor -%}
    customer_id
from chosen
