"""Whom an edition considers: the members of its segments, those who entered, or who is next in a journey."""

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from rapport.campaigns.journeys import PASSED_OVER, PLANNED_AHEAD

if TYPE_CHECKING:
    from rapport.campaigns.edition_plan import EditionPlan

_AUDIENCE = """
with audience as (
    select customer_id from {members} where segment = any(%(include)s)
    except
    select customer_id from {members} where segment = any(%(exclude)s)
)
"""

_MEMBERS = (
    _AUDIENCE
    + """
insert into candidates
select customer_id, null, %(slot_at)s, false
from audience
where not exists (
    select from {messages} as messages
    where messages.edition_id = %(edition)s and messages.customer_id = audience.customer_id
)
"""
)

# An entry is used up by what considered it, unless that was given up for a newer plan.
_IS_USED = """
    select from {messages} as messages
    inner join {editions} as editions on messages.edition_id = editions.edition_id
    where
        messages.customer_id = {customer_id}
        and messages.campaign = %(campaign)s
        and messages.entered_at = {entered_at}
        and (%(previous)s::text is null or editions.step = %(step)s)
        and (
            messages.state in ('sending', 'accepted', 'rejected', 'uncertain', 'unknown')
            or editions.state <> 'cancelled'
            or editions.state_reason is distinct from 'superseded'
        )
"""

_ENTRIES = (
    _AUDIENCE
    + """
insert into candidates
select
    memberships.customer_id,
    memberships.entered_at,
    greatest(%(slot_at)s, memberships.entered_at + %(wait)s),
    false
from {memberships} as memberships
inner join audience using (customer_id)
where
    memberships.segment = %(entering)s
    and memberships.left_at is null
    and memberships.entered_at <= %(slot_at)s
    and memberships.entered_at + %(wait)s >= %(slot_at)s - %(expires_after)s
    and memberships.entered_at + %(wait)s <= %(slot_at)s + %(ahead)s
    and not exists ("""
    + _IS_USED.format(
        customer_id="memberships.customer_id",
        entered_at="memberships.entered_at",
        messages="{messages}",
        editions="{editions}",
    )
    + """)
"""
)

# The previous step's editions are not looked at for ever: a mail leaves within `expires_after` of its due
# time, which is at most a week's window after its slot.
_NEXT_STEP = (
    """
insert into candidates
with passed as (
    select distinct on (coalesce(merges.customer_id, messages.customer_id))
        coalesce(merges.customer_id, messages.customer_id) as customer_id,
        messages.customer_id as planned_id,
        messages.entered_at,
        case
            when messages.state = 'accepted' then messages.accepted_at
            when messages.state in ('uncertain', 'unknown') then messages.claimed_at
            else messages.due_at
        end as passed_at
    from {messages} as messages
    inner join {editions} as editions on messages.edition_id = editions.edition_id
    left join identity.merges on messages.customer_id = merges.old_customer_id
    where
        editions.campaign = %(campaign)s
        and editions.step = %(previous)s
        and editions.slot_at >= %(slot_at)s - %(wait)s - 2 * %(expires_after)s - interval '45 days'
        and (
            messages.state in ('accepted', 'rejected', 'uncertain', 'unknown', 'expired')
            or (messages.state = 'skipped' and messages.state_reason = any(%(passed_over)s))
        )
    order by
        coalesce(merges.customer_id, messages.customer_id), messages.entered_at desc, messages.due_at desc
)

select
    passed.customer_id,
    passed.entered_at,
    greatest(%(slot_at)s, passed.passed_at + %(wait)s),
    passed.passed_at + %(wait)s < %(slot_at)s - %(expires_after)s
from passed
where
    passed.passed_at + %(wait)s <= %(slot_at)s + %(ahead)s
    and not exists (
        select from {members} as members
        where members.customer_id = passed.customer_id and members.segment = any(%(exclude)s)
    )
    and (
        %(own_include)s::text[] = '{{}}'
        or exists (
            select from {members} as members
            where members.customer_id = passed.customer_id and members.segment = any(%(own_include)s)
        )
    )
    and not exists ("""
    + _IS_USED.format(
        customer_id="any(array[passed.customer_id, passed.planned_id])",
        entered_at="passed.entered_at",
        messages="{messages}",
        editions="{editions}",
    )
    + """)
"""
)


def fill(connection: psycopg.Connection, edition: "EditionPlan", parameters: dict[str, Any]) -> int:
    """Put whom the edition considers into the temporary table `candidates`; how many that is."""
    if edition.mailing.previous is not None:
        statement = _NEXT_STEP
    else:
        statement = _ENTRIES if edition.campaign.trigger.entering else _MEMBERS
    own = {"ahead": PLANNED_AHEAD, "passed_over": list(PASSED_OVER)}
    count = connection.execute(sql.SQL(statement).format(**edition.tables.named()), parameters | own).rowcount
    connection.execute("analyze candidates")
    return count
