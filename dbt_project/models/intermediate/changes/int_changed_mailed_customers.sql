{{ config(tags=['as_of']) }}

{%- set since = "cast('" ~ var('since_as_of') ~ "' as timestamptz)" -%}

{% if var('since_run_id') is none -%}
select cast(null as text) as customer_id
where false
{%- else -%}
with customers as (
    select * from {{ ref('int_changed_customers') }}
),

accepted as (
    select * from {{ ref('stg_messages') }}
    where {{ among(['edition_id'], ref('int_changed_editions')) }}
),

measured as (
    select * from {{ ref('int_messages_measured') }}
),

editions as (
    select * from {{ ref('int_changed_editions') }}
),

changed as (
    select customer_id from customers
    union
    select customer_id from accepted
    where accepted_at >= {{ since }}
    union
    -- Planned late, for a time before the last view: what its people did since then is known already.
    select measured.customer_id from measured
    inner join editions on measured.edition_id = editions.edition_id
    where editions.is_new
)

select customer_id from changed
{%- endif %}
