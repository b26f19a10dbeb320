{{ config(tags=['as_of']) }}

with days as (
    select * from {{ ref('int_edition_days') }}
    where arm is not null
),

conversions as (
    select
        edition_id,
        arm,
        count(*) as converted_count
    from {{ ref('int_message_conversions') }}
    where arm is not null and converted_at is not null
    group by edition_id, arm
),

editions as (
    select * from {{ ref('int_editions_that_left') }}
),

assigned as (
    select
        edition_id,
        arm,
        sum(messages) as customer_count,
        max(day) as last_day
    from days
    group by edition_id, arm
),

numbered as (
    select
        editions.campaign,
        editions.step,
        editions.edition_number,
        assigned.arm,
        cast(min(editions.slot_at) as timestamptz) as slot_at,
        cast(
            max(assigned.last_day + 1 + editions.goal_within + editions.return_period) as timestamptz
        ) as settles_at,
        cast(sum(assigned.customer_count) as bigint) as customer_count,
        cast(coalesce(sum(conversions.converted_count), 0) as bigint) as converted_count
    from assigned
    inner join editions on assigned.edition_id = editions.edition_id
    left join conversions
        on assigned.edition_id = conversions.edition_id and assigned.arm = conversions.arm
    group by editions.campaign, editions.step, editions.edition_number, assigned.arm
)

select * from numbered
