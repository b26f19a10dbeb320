"""Editions as the pages list them: what was planned, and of what was sent what the last run counted.

Nothing here counts messages, so that a page costs the same whatever the size of an edition.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.rows import class_row

from rapport.web.pages.campaigns.wording import cancelled_because, held_because

# The more urgent the state, the earlier it stands.
OPEN_STATES = ("awaiting_approval", "held", "sending", "approved", "planned", "paused")


@dataclass(frozen=True)
class Edition:
    """An edition. `plan` is what planning found (`findings.Findings`); `approve_by` None: it need not be.

    `sent`, `delivered`, `clicked` and `converted` are as of the last run; None where that was before sending.
    """

    edition_id: str
    campaign: str
    step: str | None
    slot_at: datetime
    due_at: datetime
    expires_at: datetime | None
    state: str
    state_reason: str | None
    edition_hash: str
    planned_at: datetime
    plan: dict[str, Any] | None
    goal: str | None
    approve_by: datetime | None
    sent: int | None
    delivered: int | None
    clicked: int | None
    converted: int | None

    @property
    def name(self) -> str:
        """What tells it from the campaign's other editions."""
        return self.edition_id.removeprefix(f"{self.campaign}/")

    @property
    def path(self) -> str:
        """The address of its page, below the root."""
        return f"/campaigns/{quote(self.campaign, safe='')}/editions/{quote(self.name, safe=':/')}"

    @property
    def why(self) -> str:
        """Why it stands still, in a sentence; nothing where it does not, or where nobody said."""
        if self.state == "cancelled":
            return cancelled_because(self.state_reason)
        return held_because(self.state_reason)

    @property
    def planned(self) -> int | None:
        """How many mails were planned."""
        return self.plan["planned"] if self.plan else None

    @property
    def skipped(self) -> int | None:
        """How many of the candidates get nothing."""
        return sum(self.plan["counts"].values()) if self.plan else None


_EDITIONS = """
with chosen as ({chosen}),

counted as ({counted})

select
    chosen.edition_id, chosen.campaign, chosen.step, chosen.slot_at, chosen.due_at, chosen.expires_at,
    chosen.state, chosen.state_reason, chosen.edition_hash, chosen.planned_at, chosen.plan,
    chosen.specification #>> '{{campaign,goal,event}}' as goal,
    case when chosen.state = 'awaiting_approval' then
        least(chosen.planned_at, runs.as_of)
        + (chosen.specification #>> '{{campaign,approval_within}}')::interval
    end as approve_by,
    counted.sent, counted.delivered, counted.clicked, counted.converted
from chosen
inner join ops.runs using (run_id)
left join counted on chosen.edition_id = counted.edition_id
"""

_COUNTED = """
    select
        edition_id,
        sum(accepted_count)::bigint as sent,
        sum(delivered_count)::bigint as delivered,
        sum(clicked_count)::bigint as clicked,
        sum(converted_count)::bigint as converted
    from marts.campaign_performance
    where edition_id in (select edition_id from chosen)
    group by edition_id
    having sum(accepted_count) > 0 or sum(waiting_count) = 0
"""

_NOT_COUNTED = """
    select
        null::text as edition_id, null::bigint as sent, null::bigint as delivered, null::bigint as clicked,
        null::bigint as converted
"""


def open_editions(connection: psycopg.Connection, campaign: str | None = None) -> list[Edition]:
    """What is neither done nor cancelled, the most urgent first."""
    return _read(
        connection,
        """
        select * from activation.editions
        where
            state not in ('done', 'cancelled')
            and (%(campaign)s::text is null or campaign = %(campaign)s)
        """,
        "order by array_position(%(states)s::text[], chosen.state), chosen.slot_at, chosen.edition_id",
        {"campaign": campaign, "states": list(OPEN_STATES)},
    )


def last_editions(connection: psycopg.Connection, campaigns: list[str]) -> dict[str, Edition]:
    """The newest edition of each campaign that has one."""
    found = _read(
        connection,
        """
        select newest.*
        from unnest(%(campaigns)s::text[]) as wanted (name)
        cross join lateral (
            select * from activation.editions
            where campaign = wanted.name
            order by slot_at desc, edition_id desc
            limit 1
        ) as newest
        """,
        "",
        {"campaigns": campaigns},
    )
    return {edition.campaign: edition for edition in found}


def known_campaigns(connection: psycopg.Connection) -> list[str]:
    """All campaigns that ever had an edition."""
    rows = connection.execute(
        """
        with recursive names as (
            (select campaign from activation.editions order by campaign limit 1)
            union all
            select (
                select campaign from activation.editions
                where campaign > names.campaign order by campaign limit 1
            )
            from names
            where names.campaign is not null
        )

        select campaign from names where campaign is not null
        """
    )
    return [row[0] for row in rows]


def editions_of(
    connection: psycopg.Connection, campaign: str, after: str | None, limit: int
) -> list[Edition]:
    """The newest editions of a campaign; with `after` those behind the edition of that id."""
    return _read(
        connection,
        """
        select * from activation.editions
        where
            campaign = %(campaign)s
            and (
                %(after)s::text is null
                or (slot_at, edition_id) < (
                    select slot_at, edition_id from activation.editions where edition_id = %(after)s
                )
            )
        order by slot_at desc, edition_id desc
        limit %(limit)s
        """,
        "order by chosen.slot_at desc, chosen.edition_id desc",
        {"campaign": campaign, "after": after, "limit": limit},
    )


def editions_between(
    connection: psycopg.Connection, campaign: str, begin: datetime, end: datetime
) -> list[Edition]:
    """A campaign's editions by the time of their slots, `end` excluded."""
    return _read(
        connection,
        """
        select * from activation.editions
        where campaign = %(campaign)s and slot_at >= %(begin)s and slot_at < %(end)s
        """,
        "order by chosen.slot_at, chosen.edition_id",
        {"campaign": campaign, "begin": begin, "end": end},
    )


def find(connection: psycopg.Connection, edition_id: str) -> Edition | None:
    """The edition, if there is one of this id."""
    found = _read(
        connection,
        "select * from activation.editions where edition_id = %(edition)s",
        "",
        {"edition": edition_id},
    )
    return found[0] if found else None


def is_counted(connection: psycopg.Connection) -> bool:
    """Whether a run has counted what became of messages yet."""
    row = connection.execute("select to_regclass('marts.campaign_performance') is not null").fetchone()
    return row is not None and bool(row[0])


def _read(
    connection: psycopg.Connection, chosen: str, order: str, parameters: dict[str, Any]
) -> list[Edition]:
    counted = _COUNTED if is_counted(connection) else _NOT_COUNTED
    query = _EDITIONS.format(chosen=chosen, counted=counted) + order
    with connection.cursor(row_factory=class_row(Edition)) as cursor:
        return cursor.execute(query, parameters).fetchall()
