{{ config(tags=['as_of']) }}

with days as (
    select * from {{ ref('int_edition_days') }}
),

conversions as (
    select * from {{ ref('int_message_conversions') }}
    where is_accepted
),

editions as (
    select * from {{ ref('stg_editions') }}
),

counted as (
    select
        edition_id,
        variant,
        day,
        {% for count in [
            'messages', 'planned', 'sending', 'accepted', 'rejected', 'uncertain', 'unknown', 'expired',
            'cancelled', 'skipped', 'delivered', 'bounced', 'bounced_hard', 'bounced_soft', 'bounced_blocked',
            'dropped', 'complained', 'unsubscribed', 'clicked', 'clicked_by_machines',
        ] -%}
        cast(sum({{ count }}) as bigint) as {{ count }},
        {% endfor -%}
        {% for state, reasons in message_reasons().items() -%}
        {% for reason in reasons -%}
        cast(sum({{ state }}_{{ reason }}) as bigint) as {{ state }}_{{ reason }},
        {% endfor -%}
        {% endfor -%}
        cast(sum(skipped_known) as bigint) as skipped_known,
        cast(sum(cancelled_known) as bigint) as cancelled_known,
        cast(sum(expired_known) as bigint) as expired_known
    from days
    group by edition_id, variant, day
),

earned as (
    select
        edition_id,
        variant,
        day,
        count(converted_at) as converted_count,
        case when bool_and(net_revenue is not null) then sum(net_revenue) end as net_revenue,
        bool_or(net_revenue is null) as has_unconverted_revenue
    from conversions
    group by edition_id, variant, day
)

select
    counted.edition_id,
    editions.campaign,
    editions.step,
    counted.variant,
    counted.day,
    editions.slot_at,
    editions.state as edition_state,
    counted.messages as message_count,
    counted.messages - counted.skipped as planned_count,
    counted.planned + counted.sending as waiting_count,
    counted.accepted as accepted_count,
    counted.rejected as rejected_count,
    counted.uncertain as uncertain_count,
    counted.unknown as unknown_count,
    counted.expired as expired_count,
    counted.cancelled as cancelled_count,
    counted.skipped as skipped_count,
    {% for state, reasons in message_reasons().items() -%}
    {% for reason in reasons -%}
    counted.{{ state }}_{{ reason }} as {{ state }}_{{ reason }}_count,
    {% endfor -%}
    counted.{{ state }} - counted.{{ state }}_known as {{ state }}_otherwise_count,
    {% endfor -%}
    {% for count in [
        'delivered', 'bounced', 'bounced_hard', 'bounced_soft', 'bounced_blocked', 'dropped', 'complained',
        'unsubscribed', 'clicked', 'clicked_by_machines',
    ] -%}
    counted.{{ count }} as {{ count }}_count,
    {% endfor -%}
    coalesce(earned.converted_count, 0) as converted_count,
    case when earned.edition_id is null then 0 else earned.net_revenue end as net_revenue,
    coalesce(earned.has_unconverted_revenue, false) as has_unconverted_revenue
from counted
inner join editions on counted.edition_id = editions.edition_id
left join earned
    on
        counted.edition_id = earned.edition_id
        and counted.variant is not distinct from earned.variant
        and counted.day = earned.day
