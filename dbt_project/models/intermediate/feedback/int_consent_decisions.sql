{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_consents'), ['source', 'consent_id'], owner='customer_id') }}",
    indexes=[{'columns': ['source', 'consent_id', 'email'], 'unique': true}, {'columns': ['customer_id']}],
) }}

with changed as (
    select * from {{ ref('int_changed_consents') }}
),

decisions as (
    select
        consents.*,
        {{ customer_of() }} as customer_id
    from {{ ref('stg_consents') }} as consents
    {{ join_customers('consents') }}
    {% if is_incremental() -%}
    inner join changed on consents.source = changed.source and consents.consent_id = changed.consent_id
    {%- endif %}
),

addresses as (
    select
        customer_id,
        value as email
    from {{ ref('stg_identifiers') }}
    where kind = 'email'
)

-- A withdrawal that names no address is meant for all that the person has; a grant that names none, for none.
select
    decisions.source,
    decisions.consent_id,
    decisions.customer_id,
    decisions.customer_number,
    decisions.email as named_email,
    decisions.phone,
    decisions.anonymous_id,
    coalesce(decisions.email, addresses.email) as email,
    decisions.channel,
    decisions.topic,
    decisions.decision,
    decisions.basis,
    decisions.decided_at,
    decisions.confirmed_at,
    decisions.expires_at,
    {{ run_id() }} as run_id
from decisions
left join addresses
    on
        decisions.email is null
        and decisions.decision = 'withdrawn'
        and decisions.customer_id = addresses.customer_id
