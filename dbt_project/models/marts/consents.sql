{{ config(tags=['as_of']) }}

with decisions as (
    select * from {{ ref('int_consent_decisions') }}
    where email is not null
),

topics as (
    select distinct
        email,
        channel,
        topic
    from decisions
),

grants as (
    select distinct on (email, channel, topic)
        email,
        channel,
        topic,
        basis,
        decided_at as granted_at,
        expires_at
    from decisions
    where decision = 'granted'
    order by email, channel, topic, decided_at desc, confirmed_at desc nulls last, source, consent_id
),

confirmations as (
    select
        email,
        channel,
        topic,
        max(confirmed_at) as confirmed_at
    from decisions
    where decision = 'granted'
    group by email, channel, topic
),

withdrawals as (
    select
        topics.email,
        topics.channel,
        topics.topic,
        max(decisions.decided_at) as withdrawn_at
    from topics
    inner join decisions
        on
            topics.email = decisions.email
            and topics.channel = decisions.channel
            and decisions.topic in (topics.topic, 'all')
    where decisions.decision = 'withdrawn'
    group by topics.email, topics.channel, topics.topic
),

-- Only a grant that was confirmed afterwards lifts a withdrawal: anybody can type an address into a form.
standing_withdrawals as (
    select withdrawals.*
    from withdrawals
    left join confirmations
        on
            withdrawals.email = confirmations.email
            and withdrawals.channel = confirmations.channel
            and withdrawals.topic = confirmations.topic
    where (confirmations.confirmed_at > withdrawals.withdrawn_at) is not true
)

select
    topics.email,
    topics.channel,
    topics.topic,
    grants.basis,
    grants.granted_at is not null
    and standing_withdrawals.withdrawn_at is null
    and (grants.expires_at <= {{ as_of() }}) is not true as is_granted,
    grants.granted_at,
    confirmations.confirmed_at,
    grants.expires_at,
    standing_withdrawals.withdrawn_at
from topics
left join grants
    on
        topics.email = grants.email
        and topics.channel = grants.channel
        and topics.topic = grants.topic
left join confirmations
    on
        topics.email = confirmations.email
        and topics.channel = confirmations.channel
        and topics.topic = confirmations.topic
left join standing_withdrawals
    on
        topics.email = standing_withdrawals.email
        and topics.channel = standing_withdrawals.channel
        and topics.topic = standing_withdrawals.topic
