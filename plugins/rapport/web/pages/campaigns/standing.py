"""Each campaign once, under the most urgent state of what is open of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from croniter import croniter
from psycopg.rows import class_row

from rapport.campaigns.campaign import Campaign
from rapport.campaigns.overview import Pause, open_pauses
from rapport.settings import Settings
from rapport.web.pages.campaigns.editions import (
    Edition,
    is_counted,
    known_campaigns,
    last_editions,
    open_editions,
)
from rapport.web.pages.campaigns.files_now import campaigns_now

# In the order of the list. `broken`: the file cannot be used; `done`: nothing of it is open.
GROUPS = ("awaiting_approval", "held", "broken", "sending", "planned", "paused", "done")
RECENT_DAYS = 28


@dataclass(frozen=True)
class Figures:
    """A campaign's mails of the last `RECENT_DAYS` days, as of the last run."""

    campaign: str
    sent: int
    delivered: int
    clicked: int
    converted: int


@dataclass(frozen=True)
class Standing:
    """How a campaign stands. `file` is None where it is gone, or wrong: then `problems` says how."""

    name: str
    state: str
    file: Campaign | None
    problems: list[str]
    editions: list[Edition]
    last: Edition | None
    pause: Pause | None
    next_due: datetime | None
    figures: Figures | None


def standings(settings: Settings, connection: psycopg.Connection, now: datetime) -> list[Standing]:
    """All campaigns that have a file or had an edition, the most urgent first."""
    campaigns = campaigns_now(settings, connection)
    files = {campaign.name: campaign for campaign in campaigns.good}
    problems = {problem.campaign: problem.sentences for problem in campaigns.problems}
    pauses = {pause.campaign: pause for pause in open_pauses(connection)}
    opened: dict[str, list[Edition]] = {}
    for edition in open_editions(connection):
        opened.setdefault(edition.campaign, []).append(edition)
    names = sorted({*files, *problems, *known_campaigns(connection)})
    last = last_editions(connection, names)
    figures = _figures(connection, now) if is_counted(connection) else {}
    found = []
    for name in names:
        editions = opened.get(name, [])
        found.append(
            Standing(
                name=name,
                state=_state(editions, name in problems, name in pauses),
                file=files.get(name),
                problems=problems.get(name, []),
                editions=editions,
                last=last.get(name),
                pause=pauses.get(name),
                next_due=next_slot(files[name], now) if name in files else None,
                figures=figures.get(name),
            )
        )
    return sorted(found, key=lambda one: (GROUPS.index(one.state), one.name))


def next_slot(campaign: Campaign, now: datetime) -> datetime | None:
    """When its schedule asks for the next edition; None where entering a segment does."""
    slots = slots_between(campaign, now, None)
    return slots[0] if slots else None


def slots_between(campaign: Campaign, begin: datetime, end: datetime | None) -> list[datetime]:
    """The slots of its schedule after `begin` and before `end`; without an end the first one."""
    if campaign.trigger.schedule is None:
        return []
    found: list[datetime] = []
    slots = croniter(campaign.trigger.schedule, begin.astimezone(UTC))
    while not found or end is not None:
        slot: datetime = slots.get_next(datetime)
        if end is not None and slot >= end:
            break
        found.append(slot)
    return found


def _state(editions: list[Edition], is_broken: bool, is_paused: bool) -> str:
    states = {edition.state for edition in editions}
    if states & {"awaiting_approval", "held"}:
        return "awaiting_approval" if "awaiting_approval" in states else "held"
    if is_broken:
        return "broken"
    if is_paused or states == {"paused"}:
        return "paused"
    if "sending" in states:
        return "sending"
    return "planned" if states else "done"


def _figures(connection: psycopg.Connection, now: datetime) -> dict[str, Figures]:
    with connection.cursor(row_factory=class_row(Figures)) as cursor:
        rows = cursor.execute(
            """
            select
                campaign,
                sum(accepted_count)::bigint as sent,
                sum(delivered_count)::bigint as delivered,
                sum(clicked_count)::bigint as clicked,
                sum(converted_count)::bigint as converted
            from marts.campaign_performance
            where day > (%s at time zone 'UTC')::date - %s
            group by campaign
            """,
            [now, RECENT_DAYS],
        ).fetchall()
    return {row.campaign: row for row in rows}
