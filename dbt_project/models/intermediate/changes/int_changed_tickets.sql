with seen as (
    select * from {{ ref('stg_changed_tickets') }}
),

{% if var('since_run_id') is none -%}
changed as (
    select
        source,
        ticket_id
    from seen
    where false
)
{%- else -%}
events as (
    select * from {{ ref('int_changed_ticket_events') }}
),

-- With a source's first comment the replies of all its tickets are known: none of the others had one.
sources_with_first_comment as (
    select source from events
    where kind = 'comment'
    except
    select source from {{ previous('int_ticket_event_kinds') }}
    where kind = 'comment' and run_id <= {{ var('since_run_id') }}
),

changed as (
    select
        source,
        ticket_id
    from seen
    union
    select
        source,
        ticket_id
    from events
    union
    select
        source,
        ticket_id
    from {{ previous('int_tickets_identified') }}
    where source in (select source from sources_with_first_comment)
    union
    {{ moved_facts(previous('int_tickets_identified'), ['source', 'ticket_id'], {
        'customer_number': 'customer_number', 'email': 'email', 'phone': 'phone', 'device': 'anonymous_id',
    }) | indent(4) }}
)
{%- endif %}

select * from changed
