"""What is decided: approve, reject, pause, resume, send again. A refusal is a sentence on the page."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from rapport.campaigns import decisions
from rapport.delivery import again, restored
from rapport.errors import DecisionRefused
from rapport.web import database
from rapport.web.access import Marketer
from rapport.web.pages.campaigns.editions import Edition, find
from rapport.web.pages.campaigns.showing import (
    EVERYTHING,
    campaign_page,
    edition_page,
    known_campaign,
    list_page,
)
from rapport.web.pages.campaigns.wording import sentence
from rapport.web.visitors import Visitor

router = APIRouter(prefix="/campaigns")
REFUSED = 409
EditionId = Annotated[str, Form(alias="edition")]
Comment = Annotated[str, Form(max_length=2000)]


@router.post("/{name}/approve")
def approve(
    request: Request,
    who: Marketer,
    name: str,
    edition_id: EditionId,
    edition_hash: Annotated[str, Form()],
    comment: Comment = "",
) -> Response:
    """Let an edition be sent as the person has seen it."""
    edition = _edition(request, name, edition_id)
    try:
        with database.deciding(request.app.state.settings) as connection:
            decisions.approve(
                connection, edition_id, edition_hash, by=who.name, through="page", comment=_said(comment)
            )
    except DecisionRefused as error:
        return _refused(request, who, edition, error, comment)
    return _to(request, edition.path)


@router.post("/{name}/reject")
def reject(
    request: Request, who: Marketer, name: str, edition_id: EditionId, comment: Comment = ""
) -> Response:
    """Cancel an edition, whatever of it is not sent yet."""
    edition = _edition(request, name, edition_id)
    try:
        with database.deciding(request.app.state.settings) as connection:
            decisions.reject(connection, edition_id, by=who.name, through="page", comment=_said(comment))
    except DecisionRefused as error:
        return _refused(request, who, edition, error, comment)
    return _to(request, edition.path)


@router.post("/{name}/release")
def release(request: Request, who: Marketer, name: str, edition_id: EditionId) -> Response:
    """Let an edition of a restored warehouse await approval again."""
    edition = _edition(request, name, edition_id)
    try:
        with database.deciding(request.app.state.settings) as connection:
            restored.release(connection, edition_id)
    except DecisionRefused as error:
        return _refused(request, who, edition, error, "")
    return _to(request, edition.path)


@router.post("/{name}/send-again")
def send_again(
    request: Request,
    who: Marketer,
    name: str,
    edition_id: EditionId,
    message: Annotated[list[UUID], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Plan chosen messages whose fate nobody knows once more."""
    edition = _edition(request, name, edition_id)
    if not message:
        return _refused(request, who, edition, DecisionRefused("choose whom to send it again"), "")
    try:
        with database.deciding(request.app.state.settings) as connection:
            again.send_again(connection, edition_id, by=who.name, message_ids=message)
    except DecisionRefused as error:
        return _refused(request, who, edition, error, "")
    return _to(request, edition.path)


@router.post("/{name}/pause")
def pause(
    request: Request, who: Marketer, name: str, reason: Annotated[str, Form(max_length=500)] = ""
) -> Response:
    """Stop a campaign, or everything, at once."""
    campaign = _campaign(request, name)
    with database.deciding(request.app.state.settings) as connection:
        is_new = decisions.pause(connection, campaign, by=who.name, reason=_said(reason))
    if is_new:
        return _to_campaign(request, name)
    values = {"refused": "It was paused already; nothing has changed.", "reason": reason}
    if campaign is None:
        return list_page(request, who, status_code=REFUSED, **values)
    return campaign_page(request, who, name, status_code=REFUSED, **values)


@router.post("/{name}/resume")
def resume(request: Request, who: Marketer, name: str) -> Response:
    """Let a campaign, or everything, go on."""
    campaign = _campaign(request, name)
    with database.deciding(request.app.state.settings) as connection:
        decisions.resume(connection, campaign, by=who.name)
    return _to_campaign(request, name)


def _edition(request: Request, name: str, edition_id: str) -> Edition:
    with database.figures(request.app.state.settings) as connection:
        found = find(connection, edition_id)
    if found is None or found.campaign != name:
        raise HTTPException(404, f"There is no edition {edition_id} of the campaign {name}.")
    return found


def _campaign(request: Request, name: str) -> str | None:
    """The campaign that is paused or resumed; None: everything."""
    if name == EVERYTHING:
        return None
    settings = request.app.state.settings
    with database.figures(settings) as connection:
        known_campaign(settings, connection, name)
    return name


def _refused(
    request: Request, who: Visitor, edition: Edition, error: DecisionRefused, comment: str
) -> Response:
    return edition_page(
        request, who, edition.campaign, edition.edition_id,
        status_code=REFUSED, refused=sentence(error), comment=comment,
    )  # fmt: skip


def _said(words: str) -> str | None:
    return words.strip() or None


def _to_campaign(request: Request, name: str) -> Response:
    return _to(request, "/campaigns" if name == EVERYTHING else f"/campaigns/{quote(name, safe='')}")


def _to(request: Request, path: str) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", 303)
