-- Messages change while this looks; those of an edition with nothing under way do not, but for late answers.
with performance as (
    select
        edition_id,
        sum(message_count) as message_count,
        sum(accepted_count) as accepted_count,
        sum(rejected_count) as rejected_count,
        sum(expired_count) as expired_count,
        sum(cancelled_count) as cancelled_count,
        sum(skipped_count) as skipped_count,
        sum(waiting_count + uncertain_count + unknown_count) as open_count
    from {{ ref('campaign_performance') }}
    group by edition_id
),

editions as (
    select * from {{ ref('stg_editions') }}
),

messages as (
    select
        edition_id,
        count(*) as message_count,
        {% for state in ['accepted', 'rejected', 'expired', 'cancelled', 'skipped'] -%}
        count(*) filter (where state = '{{ state }}') as {{ state }}_count,
        {% endfor -%}
        count(*) filter (where state in ('planned', 'sending', 'uncertain', 'unknown')) as open_count
    from {{ ref('stg_messages_now') }}
    {% if var('since_run_id') is not none -%}
    where {{ among(['edition_id'], ref('int_changed_editions')) }}
    {%- endif %}
    group by edition_id
),

gone as (
    select
        edition_id,
        sum(message_count) as message_count
    from {{ ref('stg_edition_counts') }}
    group by edition_id
)

select
    editions.edition_id,
    messages.message_count,
    performance.message_count as counted
from messages
inner join editions on messages.edition_id = editions.edition_id
left join performance on messages.edition_id = performance.edition_id
left join gone on messages.edition_id = gone.edition_id
where
    performance.edition_id is null
    or performance.message_count < messages.message_count
    or performance.message_count > messages.message_count + coalesce(gone.message_count, 0)
    or (
        messages.open_count = 0 and performance.open_count = 0
        and (
            performance.accepted_count <> messages.accepted_count
            or performance.rejected_count <> messages.rejected_count
            or performance.expired_count <> messages.expired_count
            or performance.cancelled_count <> messages.cancelled_count
            or performance.skipped_count < messages.skipped_count
        )
    )
