-- depends_on: {{ ref('stg_changed_identity_records') }}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='observation_id',
    indexes=[
        {'columns': ['observation_id'], 'unique': true},
        {'columns': ['run_id']},
        {'columns': ['customer_number']},
        {'columns': ['contact_id']},
        {'columns': ['email', 'last_seen_at']},
        {'columns': ['phone', 'last_seen_at']},
        {'columns': ['anonymous_id']},
    ],
) }}
{%- set identifiers = 'customer_number, email, phone, contact_id, anonymous_id' %}
{%- set appended = "'" ~ identity_streams(append=true) | map(attribute='name') | join("', '") ~ "'" %}

{% if is_incremental() -%}
with changed_records as (
    select * from {{ ref('stg_changed_identity_records') }}
),

-- Of records with versions the whole record is read again, of streams that only grow what is new.
sightings as (
    {% for stream in identity_streams(append=false) -%}
    select * from {{ ref('stg_identity_sightings') }}
    where
        stream = '{{ stream.name }}'
        and source = any(array(
            select distinct source from changed_records
            where stream = '{{ stream.name }}'
        ))
        and record_id = any(array(
            select record_id from changed_records
            where stream = '{{ stream.name }}'
        ))
    union all
    {% endfor -%}
    select * from {{ ref('stg_identity_sightings') }}
    where stream in ({{ appended }}) and is_newly_seen
),
{%- else -%}
with sightings as (
    select * from {{ ref('stg_identity_sightings') }}
),
{%- endif %}

named as (
    select
        *,
        case when stream not in ({{ appended }}) then record_id end as version_key
    from sightings
    where coalesce({{ identifiers }}) is not null and not is_deleted
),

observed as (
    select
        cast(
            md5(cast(row(stream, source, version_key, {{ identifiers }}) as text)) as uuid
        ) as observation_id,
        stream,
        source,
        {{ identifiers }},
        (array_agg(record_id order by seen_at, record_id))[1] as record_id,
        min(batch_id) as first_batch_id,
        (array_agg(seen_at order by batch_id, seen_at))[1] as batch_first_seen_at,
        min(seen_at) as first_seen_at,
        max(seen_at) as last_seen_at,
        bool_or(is_newest) as is_current
    from named
    group by stream, source, version_key, {{ identifiers }}
),

{% if is_incremental() -%}
seen_before_or_now as (
    select * from observed
    union all
    select
        observation_id,
        stream,
        source,
        {{ identifiers }},
        record_id,
        first_batch_id,
        batch_first_seen_at,
        first_seen_at,
        last_seen_at,
        is_current
    from {{ this }}
    where
        stream in ({{ appended }})
        and observation_id = any(array(select observation_id from observed))
),

combined as (
    select
        observation_id,
        stream,
        source,
        {{ identifiers }},
        (array_agg(record_id order by first_seen_at, record_id))[1] as record_id,
        min(first_batch_id) as first_batch_id,
        (
            array_agg(batch_first_seen_at order by first_batch_id, batch_first_seen_at)
        )[1] as batch_first_seen_at,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        bool_or(is_current) as is_current
    from seen_before_or_now
    group by observation_id, stream, source, {{ identifiers }}
)
{%- else -%}
combined as (
    select * from observed
)
{%- endif %}

select
    *,
    {{ run_id() }} as run_id
from combined
