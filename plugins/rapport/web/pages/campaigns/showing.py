"""What is looked at: the list, a campaign with its calendar and results, an edition with its funnel."""

from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from psycopg.rows import class_row

from rapport import warehouse
from rapport.campaigns import results
from rapport.campaigns.dry_run import dry_run
from rapport.campaigns.durations import write_duration
from rapport.campaigns.files import nearest
from rapport.campaigns.overview import Pause, open_pauses
from rapport.campaigns.results_printing import sentences
from rapport.delivery.configuration import read_delivery
from rapport.errors import InputError, PermanentError
from rapport.settings import Settings
from rapport.web import database
from rapport.web.access import Marketer, Viewer
from rapport.web.pages.campaigns import calendar, editions, funnel, mails, unknown, wording
from rapport.web.pages.campaigns.editions import Edition
from rapport.web.pages.campaigns.files_now import campaigns_now
from rapport.web.pages.campaigns.standing import GROUPS, RECENT_DAYS, slots_between, standings
from rapport.web.pages.campaigns.wording import sentence
from rapport.web.rendering import page
from rapport.web.visitors import Role, Visitor

router = APIRouter(prefix="/campaigns")
EVERYTHING = results.ALL_CAMPAIGNS
EDITIONS_A_PAGE = 12
PEOPLE_OF_A_REASON = 3
_ONE_DRY_RUN = Lock()


@dataclass(frozen=True)
class Decision:
    """What somebody decided on an edition."""

    decision: str
    decided_by: str
    decided_through: str
    comment: str | None
    decided_at: datetime
    is_of_this_plan: bool


@router.get("")
def campaign_list(request: Request, who: Viewer) -> HTMLResponse:
    """All campaigns, the most urgent first."""
    return list_page(request, who)


@router.get(f"/{EVERYTHING}")
def all_together(request: Request, who: Viewer) -> HTMLResponse:
    """What all campaigns together changed, against the holdout of all."""
    settings: Settings = request.app.state.settings
    with database.figures(settings) as connection:
        found, why_not = _results(connection, EVERYTHING)
        currency = _currency(connection) if found else None
    return page(
        request, "campaigns/together.html", who=who, results=found, why_not=why_not, sentences=sentences,
        variants={},
        currency=currency,
    )  # fmt: skip


@router.get("/{name}")
def campaign(
    request: Request,
    who: Viewer,
    name: str,
    month: Annotated[str | None, Query()] = None,
    after: Annotated[str | None, Query()] = None,
) -> HTMLResponse:
    """A campaign: how it stands, its calendar, its results, its editions."""
    return campaign_page(request, who, name, month, after)


@router.get("/{name}/next")
def next_editions(request: Request, who: Marketer, name: str) -> HTMLResponse:
    """What would be planned if a run came now; a part of the campaign's page."""
    settings: Settings = request.app.state.settings
    if not _ONE_DRY_RUN.acquire(blocking=False):
        return page(
            request, "campaigns/next.html", who=who, dry=(), refused="Another plan is made just now; wait."
        )
    try:
        planned = dry_run(
            warehouse.ensure(settings), settings, datetime.now(UTC), name, people=PEOPLE_OF_A_REASON
        )
    except PermanentError as error:
        return page(request, "campaigns/next.html", who=who, refused=sentence(error), dry=())
    finally:
        _ONE_DRY_RUN.release()
    return page(request, "campaigns/next.html", who=who, dry=planned, refused=None, reasons=wording.REASONS)


@router.get("/{name}/funnel/{edition:path}")
def funnel_part(request: Request, who: Viewer, name: str, edition: str) -> HTMLResponse:
    """An edition's funnel as it is now; a part of its page, which asks again while mails leave."""
    settings: Settings = request.app.state.settings
    with database.figures(settings) as connection:
        found = _edition(connection, name, edition)
        counted = funnel.counts(connection, found)
    return page(
        request, "campaigns/funnel.html", who=who, edition=found, bars=funnel.funnel(counted, found.goal),
        counted=counted,
    )  # fmt: skip


@router.get("/{name}/editions/{edition:path}")
def edition(
    request: Request, who: Viewer, name: str, edition: str, after: Annotated[str | None, Query()] = None
) -> HTMLResponse:
    """An edition: what is to be decided, what it would change, its funnel, what nobody knows the fate of."""
    return edition_page(request, who, name, f"{name}/{edition}")


def list_page(request: Request, who: Visitor, **values: Any) -> HTMLResponse:
    """The list; `values` are what a refused decision leaves on it."""
    settings: Settings = request.app.state.settings
    with database.figures(settings) as connection:
        found = standings(settings, connection, datetime.now(UTC))
        everything = _pause_of(connection, None)
    groups = {group: [one for one in found if one.state == group] for group in GROUPS}
    return page(
        request,
        "campaigns/list.html",
        **{"refused": None, "reason": ""} | values,
        who=who,
        groups={group: members for group, members in groups.items() if members},
        everything=everything,
        recent_days=RECENT_DAYS,
        has_global_holdout=read_delivery(settings).global_holdout > 0,
        held_because=wording.held_because,
        may_decide=who.may(Role.MARKETER),
    )


def campaign_page(
    request: Request,
    who: Visitor,
    name: str,
    month: str | None = None,
    after: str | None = None,
    **values: Any,
) -> HTMLResponse:
    """A campaign's page; `values` are what a refused decision leaves on it."""
    settings: Settings = request.app.state.settings
    now = datetime.now(UTC)
    first = calendar.first_of_month(month, now.date())
    begin, end = calendar.span(first)
    with database.figures(settings) as connection:
        known = known_campaign(settings, connection, name)
        past = editions.editions_between(connection, name, begin, end)
        listed = editions.editions_of(connection, name, after, EDITIONS_A_PAGE + 1)
        opened = editions.open_editions(connection, name)
        found, why_not = _results(connection, name)
        currency = _currency(connection) if found else None
        pause, everything = _pause_of(connection, name), _pause_of(connection, None)
    file = known.file
    slots = slots_between(file, max(now, begin), end) if file and end > now else []
    return page(
        request,
        "campaigns/campaign.html",
        **{"refused": None, "reason": ""} | values,
        who=who,
        name=name,
        file=file,
        problems=known.problems,
        month=calendar.month(first, now.date(), past, slots),
        shown_a_day=calendar.SHOWN_A_DAY,
        opened=opened,
        editions=listed[:EDITIONS_A_PAGE],
        more=listed[EDITIONS_A_PAGE - 1].edition_id if len(listed) > EDITIONS_A_PAGE else None,
        after=after,
        results=found,
        why_not=why_not,
        sentences=sentences,
        variants=_subjects(file),
        currency=currency,
        pause=pause,
        everything=everything,
        can_resume=pause is not None or any(_stopped_sending(one) for one in opened),
        write_duration=write_duration,
        schedule_in_words=wording.schedule_in_words,
        goals=wording.GOALS,
        held_because=wording.held_because,
        may_decide=who.may(Role.MARKETER),
    )


def edition_page(
    request: Request,
    who: Visitor,
    name: str,
    edition_id: str,
    after: str | None = None,
    **values: Any,
) -> HTMLResponse:
    """An edition's page; `values` are what a refused decision leaves on it."""
    settings: Settings = request.app.state.settings
    may_decide = who.may(Role.MARKETER)
    with database.figures(settings) as connection:
        found = _edition(connection, name, edition_id.removeprefix(f"{name}/"))
        decisions = _decisions(connection, found)
        lost = unknown.unknown_messages(connection, edition_id)
        everything = _pause_of(connection, None)
        now_hash = _hash_of_file(settings, connection, found)
    if may_decide and lost:
        with database.people(settings, who) as connection:
            lost = unknown.named(connection, lost)
    return page(
        request,
        "campaigns/edition.html",
        **{"refused": None, "comment": ""} | values,
        who=who,
        edition=found,
        decisions=decisions,
        unknown=lost,
        unknown_shown=unknown.SHOWN,
        everything=everything,
        is_edited=now_hash is not None and now_hash != found.edition_hash,
        stopped_sending=_stopped_sending(found),
        can_be_cancelled=found.state not in ("done", "cancelled"),
        reasons=wording.REASONS,
        held_because=wording.held_because,
        may_decide=may_decide,
    )


@dataclass(frozen=True)
class Known:
    """A campaign that has a file, right or wrong, or had an edition."""

    file: Any
    problems: list[str]


def known_campaign(settings: Settings, connection: psycopg.Connection, name: str) -> Known:
    """Raises 404 where there is no campaign of this name, and was none."""
    campaigns = campaigns_now(settings, connection)
    file = next((one for one in campaigns.good if one.name == name), None)
    problems = [s for problem in campaigns.problems if problem.campaign == name for s in problem.sentences]
    past = editions.known_campaigns(connection) if file is None and not problems else [name]
    if name not in past:
        names = sorted({one.name for one in campaigns.good} | set(past))
        raise HTTPException(404, f"There is no campaign {name}{nearest(name, names)}")
    return Known(file, problems)


def _edition(connection: psycopg.Connection, name: str, edition: str) -> Edition:
    found = editions.find(connection, f"{name}/{edition}")
    if found is None:
        raise HTTPException(404, f"There is no edition {edition} of the campaign {name}.")
    return found


def _stopped_sending(edition: Edition) -> bool:
    return edition.state == "held" and (edition.state_reason or "").startswith("sending: ")


def _pause_of(connection: psycopg.Connection, campaign: str | None) -> Pause | None:
    return next((pause for pause in open_pauses(connection) if pause.campaign == campaign), None)


def _results(
    connection: psycopg.Connection, campaign: str
) -> tuple[results.CampaignResults | None, str | None]:
    try:
        return results.results(connection, campaign, datetime.now(UTC)), None
    except InputError as error:
        return None, str(error)


def _currency(connection: psycopg.Connection) -> str | None:
    """What amounts of all currencies are given in."""
    row = connection.execute("select reporting_currency from marts.customers limit 1").fetchone()
    return row[0] if row else None


def _subjects(file: Any) -> dict[str, str]:
    """The subject line of each variant, as the file has it."""
    return {variant: str(content.subject) for (_, variant), content in file.contents.items()} if file else {}


def _hash_of_file(settings: Settings, connection: psycopg.Connection, edition: Edition) -> str | None:
    """What the edition's campaign would be planned with now, where that matters."""
    if edition.state not in ("awaiting_approval", "approved", "paused"):
        return None
    of_now = mails.mailing(connection, settings, edition.campaign, None)
    return of_now.content_hash if of_now else None


def _decisions(connection: psycopg.Connection, edition: Edition) -> list[Decision]:
    with connection.cursor(row_factory=class_row(Decision)) as cursor:
        return cursor.execute(
            """
            select
                decision, decided_by, decided_through, comment, decided_at,
                edition_hash = %s as is_of_this_plan
            from activation.approvals
            where edition_id = %s
            order by decided_at desc, approval_id desc
            """,
            [edition.edition_hash, edition.edition_id],
        ).fetchall()
