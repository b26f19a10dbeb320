with decisions as (
    select
        consents.*,
        {{ customer_of() }} as customer_id
    from {{ ref('stg_consents') }} as consents
    {{ join_customers('consents') }}
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
    coalesce(decisions.email, addresses.email) as email,
    decisions.channel,
    decisions.topic,
    decisions.decision,
    decisions.basis,
    decisions.decided_at,
    decisions.confirmed_at,
    decisions.expires_at
from decisions
left join addresses
    on
        decisions.email is null
        and decisions.decision = 'withdrawn'
        and decisions.customer_id = addresses.customer_id
