"""Who is held out and which variant the others get: by a salted hash of the recipient key, for good.

Assigned after everything else has been decided, and stored once the edition may be sent. The hash alone gives
the same arm again; what is stored holds also after the share has grown.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from rapport.campaigns.campaign import Campaign
from rapport.delivery.configuration import Delivery

EVERY_CAMPAIGN = "*"

# Who is held out: the arm that is stored, else that of the place where a salted hash puts the recipient.
_ARM = """
        case
            when judged.reason is null and %(SHARE)s > 0
                then coalesce(
                    STORED.arm,
                    case
                        when activation.bucket(%(SALT)s, judged.recipient_key) < %(SHARE)s then 'holdout'
                        else 'treatment'
                    end
                )
        end"""


def _arm(stored: str, share: str, salt: str) -> str:
    return _ARM.replace("STORED", stored).replace("SHARE", share).replace("SALT", salt)


_ASSIGNMENT = f"""
placed as (
    select
        judged.*,
        {_arm("everywhere", "global_holdout", "global_salt")} as global_arm,
        {_arm("own", "holdout", "holdout_salt")} as own_arm,
        case
            when own.variant = any(%(variants)s) then own.variant
            else (%(variants)s::text[])[
                1 + floor(
                    activation.bucket(%(variant_salt)s, judged.recipient_key)
                    * cardinality(%(variants)s::text[])
                )::int
            ]
        end as own_variant
    from judged
    left join {{arms}} as own on own.campaign = %(campaign)s and judged.recipient_key = own.recipient_key
    left join {{arms}} as everywhere
        on everywhere.campaign = '*' and judged.recipient_key = everywhere.recipient_key
    -- Each place is computed once, and not wherever it is mentioned below.
    offset 0
),

armed as (
    select
        customer_id,
        entered_at,
        recipient_key,
        due_at,
        case
            when reason is not null then reason
            when global_arm = 'holdout' then 'global_holdout'
            when own_arm = 'holdout' then 'holdout'
        end as reason,
        case when global_arm is distinct from 'holdout' then own_arm end as arm,
        case
            when
                reason is null
                and global_arm is distinct from 'holdout'
                and own_arm is distinct from 'holdout'
                then own_variant
        end as variant,
        global_arm
    from placed
)
"""

_NO_ARMS = """
armed as (
    select *, null::text as arm, null::text as variant, null::text as global_arm from judged
)
"""


def assignment_sql(
    campaign: Campaign, delivery: Delivery, tables: Mapping[str, sql.Composable]
) -> sql.Composable:
    """CTEs that make `armed` of `judged`: with the holdouts' reasons, arms and variant."""
    if not (campaign.holdout or campaign.variants or delivery.global_holdout):
        return sql.SQL(_NO_ARMS)
    return sql.SQL(_ASSIGNMENT).format(arms=tables["arms"])


def parameters(campaign: Campaign, delivery: Delivery) -> dict[str, Any]:
    """Values for the placeholders of `assignment_sql`."""
    return {
        "holdout": campaign.holdout,
        "holdout_salt": f"{campaign.name} holdout",
        "variants": sorted(campaign.variants),
        "variant_salt": f"{campaign.name} variant",
        "global_holdout": delivery.global_holdout,
        "global_salt": f"{EVERY_CAMPAIGN} holdout",
    }


def store(connection: psycopg.Connection, campaign: Campaign, edition_id: str) -> None:
    """Keep the arms that `plan` assigned; who has one keeps it.

    Who has one is looked up: running into it (`on conflict do nothing`) costs twice as much for all others.
    """
    connection.execute(
        """
        with assigned as (
            select
                %(campaign)s as campaign, recipient_key, customer_id, coalesce(arm, 'treatment') as arm,
                variant, due_at
            from plan
            where arm is not null or variant is not null
            union all
            select '*', recipient_key, customer_id, global_arm, null, due_at
            from plan
            where global_arm is not null
        )

        insert into activation.arms (campaign, recipient_key, customer_id, arm, variant, edition_id, due_at)
        select campaign, recipient_key, customer_id, arm, variant, %(edition)s, due_at
        from assigned
        where not exists (
            select from activation.arms
            where arms.campaign = assigned.campaign and arms.recipient_key = assigned.recipient_key
        )
        order by campaign, recipient_key
        """,
        {"campaign": campaign.name, "edition": edition_id},
    )


def share_fault(connection: psycopg.Connection, campaign: Campaign) -> str | None:
    """That the holdout is smaller than that of earlier editions, None where it is not."""
    row = connection.execute(
        """
        select max((specification #>> '{campaign,holdout}')::double precision)
        from activation.editions
        where
            campaign = %(campaign)s
            and edition_id in (select edition_id from activation.arms where arms.campaign = %(campaign)s)
        """,
        {"campaign": campaign.name},
    ).fetchone()
    largest = row[0] if row else None
    if largest is None or largest <= campaign.holdout:
        return None
    return (
        f"holdout_shrunk: {campaign.holdout:g} is less than the {largest:g} of earlier editions, and an arm "
        f"is for good; write holdout: {largest:g}, or give the campaign another name"
    )
