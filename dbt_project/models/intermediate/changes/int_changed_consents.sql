with seen as (
    select * from {{ ref('stg_changed_consents') }}
),

{% if var('since_run_id') is none -%}
changed as (
    select
        source,
        consent_id
    from seen
    where false
)
{%- else -%}
-- Who gains an address takes back what they said without naming one for that address too.
changed as (
    select
        source,
        consent_id
    from seen
    union
    {{ moved_facts(previous('int_consent_decisions'), ['source', 'consent_id'], {
        'customer_number': 'customer_number', 'email': 'named_email', 'phone': 'phone', 'device': 'anonymous_id',
    }) | indent(4) }}
    union
    select
        source,
        consent_id
    from {{ previous('int_consent_decisions') }}
    where customer_id = any(array(
        select distinct new_customer_id from {{ ref('stg_identifier_changes') }}
        where new_customer_id is not null
    ))
)
{%- endif %}

select * from changed
