"""Segments: all of them, one of them, its people, its people as a file."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import quote

import psycopg
from fastapi import APIRouter, Form, HTTPException, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from rapport.errors import QueryStopped
from rapport.settings import Settings
from rapport.web import audit
from rapport.web.access import Marketer, Viewer
from rapport.web.database import people as seen_by
from rapport.web.drawing import Chart, Series
from rapport.web.pages.segments import definition, downloads, people, profile, sizes
from rapport.web.pages.segments.search import search
from rapport.web.pages.segments.sizes import Segment, Size
from rapport.web.rendering import page
from rapport.web.streaming import Streamed
from rapport.web.visitors import Role, Visitor

router = APIRouter(prefix="/segments")

RECENT = 6
TRY_AGAIN_SECONDS = 30
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


@router.get("")
def segments(request: Request, who: Viewer) -> HTMLResponse:
    """All segments with their sizes and trends."""
    with seen_by(request.app.state.settings, who) as connection:
        found = sizes.read_segments(connection)
    newest = max((segment.now.as_of for segment in found if segment.now), default=None)
    return page(request, "segments/list.html", who=who, segments=found, newest=newest, now=datetime.now(UTC))


@router.get("/{name}")
def segment(request: Request, who: Viewer, name: str) -> HTMLResponse:
    """One segment: how big, who came and went, what its members are like, how it is defined."""
    settings: Settings = request.app.state.settings
    with seen_by(settings, who) as connection:
        found = _known(connection, name)
        return page(
            request,
            "segments/segment.html",
            who=who,
            segment=found,
            now=datetime.now(UTC),
            customers=sizes.customers(connection, name),
            trend=_trend(request, found),
            comings=_comings(request, found),
            entered=people.moves(connection, who, name, kind="entered").people[:RECENT],
            left=people.moves(connection, who, name, kind="left").people[:RECENT],
            profile=profile.read_profile(connection, name),
            sql=definition.read_sql(settings, connection, found),
            may_download=who.may(Role.MARKETER),
        )


@router.get("/{name}/members")
def members(request: Request, who: Viewer, name: str, after: str = "") -> HTMLResponse:
    """Who is in now."""
    with seen_by(request.app.state.settings, who) as connection:
        return _members(
            request, who, _known(connection, name), people.members(connection, who, name, after=after), after
        )


@router.post("/{name}/members")
def search_members(
    request: Request,
    who: Marketer,
    name: str,
    q: Annotated[str, Form(max_length=100)] = "",
    after: Annotated[str, Form()] = "",
) -> Response:
    """Members by the beginning of a name: it comes in a form, because addresses end up in logs."""
    if not q.strip():
        root = request.scope.get("root_path", "")
        return RedirectResponse(f"{root}/segments/{quote(name)}/members", status.HTTP_303_SEE_OTHER)
    with seen_by(request.app.state.settings, who, alone=True) as connection:
        segment = _known(connection, name)
        found = search(connection, who, name, q, after=after)
        return _members(request, who, segment, found, after, q.strip())


@router.get("/{name}/moves")
def moves(
    request: Request,
    who: Viewer,
    name: str,
    kind: Literal["", "entered", "left"] = "",
    at: str = "",
    after: str = "",
) -> HTMLResponse:
    """Who entered and who left."""
    run = _moment(at)
    with seen_by(request.app.state.settings, who) as connection:
        return page(
            request,
            "segments/moves.html",
            who=who,
            segment=_known(connection, name),
            rows=people.moves(connection, who, name, kind=kind or None, at=run, after=after),
            kind=kind,
            run=run,
            after=after,
            seen=people.VIEWERS_SEE,
        )


@router.get("/{name}/download.{form}")
def download(request: Request, who: Marketer, name: str, form: Literal["csv", "parquet"]) -> Response:
    """The segment as a file: put on record first, then streamed."""
    settings: Settings = request.app.state.settings
    with seen_by(settings, who) as connection:
        found = _known(connection, name)
    extract = downloads.begin(settings, who, name)
    if extract is None:
        refused = page(
            request,
            "refused.html",
            who=who,
            status_code=status.HTTP_429_TOO_MANY_REQUESTS,
            sentence="Two downloads are under way, and no more run at a time. Try again in a moment.",
        )
        refused.headers["Retry-After"] = str(TRY_AGAIN_SECONDS)
        return refused
    blocks = extract.blocks(form)
    try:
        audit.record(
            settings,
            who,
            "downloaded segment",
            name,
            form=form,
            members=found.now.members if found.now else 0,
            rows_at_most=downloads.ROWS_AT_MOST,
            columns=[column.name for column in extract.columns],
        )
        first = next(blocks)
    except psycopg.Error as error:
        extract.close()
        raise QueryStopped(f"segment {name} cannot be downloaded: {str(error).splitlines()[0]}") from None
    except BaseException:
        extract.close()
        raise
    as_of = f"-{found.now.as_of:%Y-%m-%d}" if found.now else ""
    return Streamed(
        first,
        blocks,
        stop=extract.stop,
        close=extract.close,
        media_type=MEDIA_TYPES[form],
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name + as_of)}.{form}"},
    )


def _members(
    request: Request, who: Visitor, segment: Segment, rows: people.Rows, after: str, q: str = ""
) -> HTMLResponse:
    return page(
        request,
        "segments/members.html",
        who=who,
        segment=segment,
        rows=rows,
        q=q,
        after=after,
        may_search=who.may(Role.MARKETER),
        seen=people.VIEWERS_SEE,
    )


def _known(connection: psycopg.Connection, name: str) -> Segment:
    found = sizes.read_segment(connection, name)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no segment {name}")
    return found


def _trend(request: Request, segment: Segment) -> Chart:
    return Chart(
        "Members",
        [_label(size) for size in segment.sizes],
        [Series("Members", [size.members for size in segment.sizes])],
        links=[_moves_of(request, segment, size) for size in segment.sizes],
    )


def _comings(request: Request, segment: Segment) -> Chart:
    return Chart(
        "Who came and went",
        [_label(size) for size in segment.sizes],
        [
            # Whom the first run found is not who came that day.
            Series("Entered", [None if size.is_first else size.entered for size in segment.sizes]),
            Series("Left", [size.left for size in segment.sizes]),
        ],
        kind="bar",
        links=[_moves_of(request, segment, size) for size in segment.sizes],
    )


def _label(size: Size) -> str:
    return f"{size.as_of.day} {size.as_of:%b}"


def _moves_of(request: Request, segment: Segment, size: Size) -> str:
    root = request.scope.get("root_path", "")
    return f"{root}/segments/{quote(segment.name)}/moves?at={size.as_of:%Y-%m-%dT%H:%M:%S.%fZ}"


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
