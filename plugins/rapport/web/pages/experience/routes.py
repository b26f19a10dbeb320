"""The pages of experience and service, and the lists that their figures open."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request, status
from fastapi.responses import HTMLResponse

from rapport.web.access import Viewer
from rapport.web.database import figures, people
from rapport.web.pages.experience import answers, behind, charts, service
from rapport.web.pages.experience.filters import (
    GROUPS,
    SEGMENT,
    Chosen,
    ChosenAnswers,
    Filter,
    options,
    segments,
)
from rapport.web.periods import last_periods, view_as_of
from rapport.web.rendering import page
from rapport.web.visitors import Role

router = APIRouter(prefix="/experience")
SHOWN = {"month": 13, "week": 26}
PAIN_POINTS = 20
After = Annotated[list[str] | None, Query()]
Unit = Literal["week", "month"]
Listed = Literal[
    "opened",
    "solved",
    "reopened",
    "replied",
    "resolved",
    "first_contact",
    "one_touch",
    "backlog",
    "complaints",
]


@router.get("")
def experience(request: Request, who: Viewer, chosen: ChosenAnswers, by: Unit = "month") -> HTMLResponse:
    """NPS, CSAT and CES over time, and what hurts most."""
    root = request.scope.get("root_path", "")
    with figures(request.app.state.settings) as connection:
        as_of = view_as_of(connection, "experience_daily")
        if as_of is None:
            return page(request, "experience/empty.html", who=who)
        periods = last_periods(by, as_of, SHOWN[by])
        first, end = periods[0].start, periods[-1].end
        found = answers.said(connection, by, first, end, chosen)
        choices = {
            **options(connection, "marts.experience_daily", "answer_date", first),
            SEGMENT: segments(connection),
        }
        pains = answers.pain_points(connection, PAIN_POINTS)
    return page(
        request,
        "experience/answers.html",
        who=who,
        by=by,
        chosen=chosen,
        choices=choices,
        periods=periods,
        figures=charts.answer_figures(periods, found),
        charts=charts.answer_charts(periods, found, chosen, root),
        pains=[(pain, _behind_pain(pain, root)) for pain in pains],
    )


@router.get("/service")
def helpdesk(
    request: Request,
    who: Viewer,
    chosen: Chosen,
    by: Unit = "month",
    split: Literal["channel", "category", "team"] = "category",
) -> HTMLResponse:
    """First contacts, replies, resolutions and the backlog over time."""
    root = request.scope.get("root_path", "")
    with figures(request.app.state.settings) as connection:
        as_of = view_as_of(connection, "service_times")
        if as_of is None:
            return page(request, "experience/empty.html", who=who)
        periods = last_periods(by, as_of, SHOWN[by])
        first, end = periods[0].start, periods[-1].end
        last_day = (as_of - timedelta(microseconds=1)).date()
        served = service.served(connection, by, first, end, last_day, chosen)
        times = service.times(connection, by, first, end, chosen)
        choices = options(connection, "marts.service_times", "period_start", first)
        whole = next((period for period in reversed(periods) if period.is_over), None)
        groups = (
            [
                (
                    value,
                    row,
                    service.times(connection, by, whole.start, whole.end, chosen.but_for(split, value)),
                )
                for value, row in service.served_by(connection, split, whole.start, whole.end, chosen)
            ]
            if whole
            else []
        )
    return page(
        request,
        "experience/service.html",
        who=who,
        by=by,
        split=split,
        splits=GROUPS,
        chosen=chosen,
        choices=choices,
        periods=periods,
        whole=whole,
        last=served.get(whole.start) if whole else None,
        last_times=times.get(whole.start) if whole else None,
        now=served.get(periods[-1].start),
        last_day=last_day,
        groups=[(value, row, found.get(row.start)) for value, row, found in groups],
        charts=charts.service_charts(periods, served, times, last_day, chosen, root) if served else None,
    )


@router.get("/tickets")
def tickets(
    request: Request,
    who: Viewer,
    chosen: Chosen,
    since: datetime,
    until: datetime | None = None,
    measure: Listed = "opened",
    older_than: int = 0,
    younger_than: int | None = None,
    after: After = None,
) -> HTMLResponse:
    """The tickets behind a figure: a measure of marts.service_daily on days, a day's backlog, complaints."""
    settings = request.app.state.settings
    first = _utc(since)
    end = _utc(until) if until else first + timedelta(days=1)
    place = _place_of(after, moment=1)
    if place is not None and not _is_number(place[0]):
        raise _no_place()
    is_masked = not who.may(Role.MARKETER)
    known: int | None = None
    if not _is_built(request, "ticket_open_periods"):
        return page(request, "experience/empty.html", who=who)
    if measure in behind.MEASURES:
        shown = behind.MEASURES[measure]
        title, order = shown.title, shown.order
        with figures(settings) as connection:
            known = behind.total(connection, shown, first.date(), end.date(), chosen)
        with people(settings, who) as connection:
            found = behind.tickets_of_days(
                connection, is_masked, shown, first.date(), end.date(), chosen, place
            )
    elif measure == "backlog":
        title, order = "Tickets open at the end of the day", "the oldest first"
        with people(settings, who) as connection:
            found = behind.backlog(
                connection, is_masked, first.date(), older_than, younger_than, chosen, place
            )
    else:
        title, order = "Tickets behind a pain point", "the newest first"
        with people(settings, who) as connection:
            found = behind.complaints(connection, is_masked, first, chosen, place)
    shown_tickets = found[: behind.PAGE]
    return page(
        request,
        "experience/tickets.html",
        who=who,
        is_masked=is_masked,
        title=title,
        order=order,
        measure=measure,
        older_than=older_than,
        younger_than=younger_than,
        first=first.date(),
        end=end.date(),
        chosen=chosen,
        tickets=shown_tickets,
        known=known,
        is_first=after is None,
        next_page=_next(request, found, behind.PAGE),
        first_page=_address(request, []),
    )


@router.get("/answers")
def answers_behind(
    request: Request,
    who: Viewer,
    chosen: ChosenAnswers,
    since: datetime,
    until: datetime | None = None,
    metric: Literal["nps", "csat", "ces"] = "nps",
    opinion: Literal["", "good", "middling", "bad"] = "",
    after: After = None,
) -> HTMLResponse:
    """The answers behind a figure, with what customers wrote for those who may read it."""
    place = _place_of(after, moment=0)
    is_masked = not who.may(Role.MARKETER)
    first = _utc(since)
    end = _utc(until) if until else datetime.max.replace(tzinfo=UTC)
    if not _is_built(request, "answers"):
        return page(request, "experience/empty.html", who=who)
    with people(request.app.state.settings, who) as connection:
        found = behind.answers(connection, is_masked, metric, first, end, opinion or None, chosen, place)
    return page(
        request,
        "experience/answers_behind.html",
        who=who,
        is_masked=is_masked,
        metric=metric,
        metrics=answers.METRICS,
        opinion=opinion,
        since=since,
        first=first.date(),
        end=end.date() if until else None,
        chosen=chosen,
        answers=found[: behind.PAGE],
        is_first=after is None,
        next_page=_next(request, found, behind.PAGE),
        first_page=_address(request, []),
        address=lambda **more: _address(request, [], **more),
    )


def _is_built(request: Request, mart: str) -> bool:
    with figures(request.app.state.settings) as connection:
        return view_as_of(connection, mart) is not None


def _behind_pain(pain: answers.PainPoint, root: str) -> str:
    chosen = Filter({}).but_for("category", pain.topic)
    since = pain.counted_from.astimezone(UTC).isoformat()
    if pain.kind == "ticket":
        return chosen.address(root, "/tickets", measure="complaints", since=since)
    return chosen.address(root, "/answers", metric=pain.kind, opinion="bad", since=since)


def _next(request: Request, found: Sequence[Any], size: int) -> str | None:
    return _address(request, found[size - 1].place) if len(found) > size else None


def _address(request: Request, after: Sequence[str], **more: str) -> str:
    """The same page, beginning after a place."""
    kept = request.url.remove_query_params(["after", *more]).include_query_params(
        **{name: value for name, value in more.items() if value}
    )
    tail = urlencode([("after", value) for value in after])
    return f"?{kept.query}{'&' if tail else ''}{tail}"


def _place_of(after: Sequence[str] | None, moment: int) -> list[str] | None:
    """Where a list goes on, as an address says it: four texts, of which one is a moment.

    Raises:
        HTTPException: it is no place in a list.
    """
    if after is None:
        return None
    if len(after) != 4:
        raise _no_place()
    return [_moment(text).isoformat() if place == moment else text for place, text in enumerate(after)]


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _moment(text: str) -> datetime:
    try:
        return _utc(datetime.fromisoformat(text))
    except ValueError:
        raise _no_place() from None


def _no_place() -> HTTPException:
    return HTTPException(
        status.HTTP_422_UNPROCESSABLE_CONTENT, "the list does not go on there; begin it again"
    )


def _utc(moment: datetime) -> datetime:
    """An address without a zone means UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
