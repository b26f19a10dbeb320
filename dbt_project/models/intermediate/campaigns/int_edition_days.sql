{{ config(
    tags=['as_of'],
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_editions'), ['edition_id']) }}",
    indexes=[{'columns': ['edition_id', 'arm', 'variant', 'day'], 'unique': true}],
) }}

{%- set states = [
    'planned', 'sending', 'accepted', 'rejected', 'uncertain', 'unknown', 'expired', 'cancelled', 'skipped',
] %}

with changed as (
    select * from {{ ref('int_changed_editions') }}
),

editions as (
    select * from {{ ref('stg_editions') }}
    {% if is_incremental() -%}
    where {{ among(['edition_id'], 'changed') }}
    {%- endif %}
),

all_messages as (
    select * from {{ ref('stg_messages_now') }}
    {% if is_incremental() -%}
    where {{ among(['edition_id'], 'changed') }}
    {%- endif %}
),

-- What was accepted later than as_of was still under way then.
messages as (
    select
        all_messages.message_id,
        all_messages.edition_id,
        all_messages.arm,
        all_messages.variant,
        cast(all_messages.due_at at time zone 'UTC' as date) as day,
        case
            when all_messages.state = 'accepted' and all_messages.accepted_at >= {{ as_of() }} then 'sending'
            else all_messages.state
        end as state,
        all_messages.state_reason
    from all_messages
    inner join editions on all_messages.edition_id = editions.edition_id
),

counted_before as (
    select * from {{ ref('stg_edition_counts') }}
),

events as (
    select * from {{ ref('stg_message_events') }}
),

judged as (
    select * from {{ ref('int_judged_events') }}
),

became as (
    select
        events.message_id,
        bool_or(events.event = 'delivered') as is_delivered,
        bool_or(events.event = 'bounced') as is_bounced,
        bool_or(events.event = 'bounced' and events.class = 'hard') as is_bounced_hard,
        bool_or(events.event = 'bounced' and events.class = 'soft') as is_bounced_soft,
        bool_or(events.event = 'bounced' and events.class = 'blocked') as is_bounced_blocked,
        bool_or(events.event = 'dropped') as is_dropped,
        bool_or(events.event = 'complained') as is_complained,
        bool_or(events.event = 'unsubscribed') as is_unsubscribed
    from events
    inner join messages on events.message_id = messages.message_id
    where events.event not in ('opened', 'clicked')
    group by events.message_id
),

clicked as (
    select
        judged.message_id,
        bool_or(judged.is_human) as is_clicked
    from judged
    inner join messages on judged.message_id = messages.message_id
    where judged.event = 'clicked'
    group by judged.message_id
),

summed as (
    select
        messages.edition_id,
        messages.arm,
        messages.variant,
        messages.day,
        count(*) as messages,
        {% for state in states -%}
        count(*) filter (where messages.state = '{{ state }}') as {{ state }},
        {% endfor -%}
        {% for state, reasons in message_reasons().items() -%}
        {% for reason in reasons -%}
        count(*) filter (where messages.state = '{{ state }}' and messages.state_reason = '{{ reason }}')
            as {{ state }}_{{ reason }},
        {% endfor -%}
        {% endfor -%}
        {% for state, reasons in message_reasons().items() -%}
        count(*) filter (
            where messages.state = '{{ state }}'
            and messages.state_reason in (
                '{{ reasons | join("', '") }}'
            )
        ) as {{ state }}_known,
        {% endfor -%}
        {% for what in [
            'delivered', 'bounced', 'bounced_hard', 'bounced_soft', 'bounced_blocked', 'dropped', 'complained',
            'unsubscribed',
        ] -%}
        count(*) filter (where became.is_{{ what }}) as {{ what }},
        {% endfor -%}
        count(*) filter (where clicked.is_clicked) as clicked,
        count(*) filter (where not clicked.is_clicked) as clicked_by_machines
    from messages
    left join became on messages.message_id = became.message_id
    left join clicked on messages.message_id = clicked.message_id
    group by messages.edition_id, messages.arm, messages.variant, messages.day
),

skipped_now as (
    select
        edition_id,
        state_reason as reason,
        count(*) as message_count
    from messages
    where state = 'skipped'
    group by edition_id, state_reason
),

-- Skipped messages are removed after a time; how many they were when they were planned is kept.
skipped_and_gone as (
    select
        editions.edition_id,
        counted_before.reason,
        cast(editions.due_at at time zone 'UTC' as date) as day,
        counted_before.message_count - coalesce(skipped_now.message_count, 0) as message_count
    from counted_before
    inner join editions on counted_before.edition_id = editions.edition_id
    left join skipped_now
        on counted_before.edition_id = skipped_now.edition_id and counted_before.reason = skipped_now.reason
    where counted_before.message_count > coalesce(skipped_now.message_count, 0)
),

gone as (
    select
        edition_id,
        cast(null as text) as arm,
        cast(null as text) as variant,
        day,
        sum(message_count) as messages,
        {% for state in states -%}
        {{ 'sum(message_count)' if state == 'skipped' else '0' }} as {{ state }},
        {% endfor -%}
        {% for state, reasons in message_reasons().items() -%}
        {% for reason in reasons -%}
        {% if state == 'skipped' -%}
        coalesce(sum(message_count) filter (where reason = '{{ reason }}'), 0) as {{ state }}_{{ reason }},
        {%- else -%}
        0 as {{ state }}_{{ reason }},
        {%- endif %}
        {% endfor -%}
        {% endfor -%}
        {% for state, reasons in message_reasons().items() -%}
        {% if state == 'skipped' -%}
        coalesce(
            sum(message_count) filter (
                where reason in (
                    '{{ reasons | join("', '") }}'
                )
            ),
            0
        )
            as {{ state }}_known,
        {%- else -%}
        0 as {{ state }}_known,
        {%- endif %}
        {% endfor -%}
        0 as delivered,
        0 as bounced,
        0 as bounced_hard,
        0 as bounced_soft,
        0 as bounced_blocked,
        0 as dropped,
        0 as complained,
        0 as unsubscribed,
        0 as clicked,
        0 as clicked_by_machines
    from skipped_and_gone
    group by edition_id, day
),

all_counts as (
    select * from summed
    union all
    select * from gone
)

select
    edition_id,
    arm,
    variant,
    day,
    {% for state in ['messages'] + states -%}
    cast(sum({{ state }}) as bigint) as {{ state }},
    {% endfor -%}
    {% for state, reasons in message_reasons().items() -%}
    {% for reason in reasons -%}
    cast(sum({{ state }}_{{ reason }}) as bigint) as {{ state }}_{{ reason }},
    {% endfor -%}
    cast(sum({{ state }}_known) as bigint) as {{ state }}_known,
    {% endfor -%}
    {% for what in [
        'delivered', 'bounced', 'bounced_hard', 'bounced_soft', 'bounced_blocked', 'dropped', 'complained',
        'unsubscribed', 'clicked', 'clicked_by_machines',
    ] -%}
    cast(sum({{ what }}) as bigint) as {{ what }},
    {% endfor -%}
    {{ run_id() }} as run_id
from all_counts
group by edition_id, arm, variant, day
