"""Mails as their readers get them: for a member, for the edge cases, and as a test to a colleague."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import psycopg
from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from psycopg.rows import class_row
from pydantic import TypeAdapter, ValidationError

from rapport.campaigns.preview import find_customer
from rapport.campaigns.trial import send_trial
from rapport.delivery.configuration import Address, read_delivery
from rapport.errors import InputError, PermanentError, QueryStopped
from rapport.settings import Settings
from rapport.web import database
from rapport.web.access import Marketer
from rapport.web.pages.campaigns import mails
from rapport.web.pages.campaigns.mails import Mailing
from rapport.web.pages.campaigns.showing import known_campaign
from rapport.web.pages.campaigns.wording import sentence
from rapport.web.rendering import page
from rapport.web.visitors import Visitor

router = APIRouter(prefix="/campaigns")
TESTS_SHOWN = 5
UNUSABLE = 422
_ADDRESS = TypeAdapter(Address)


@dataclass(frozen=True)
class Wanted:
    """Which mail of a campaign, of its files or of an edition, for a customer or for the edge cases."""

    edition: str | None = None
    step: str = ""
    variant: str = ""
    customer: str | None = None
    case: str | None = None

    def query(self, **other: str | None) -> str:
        """For an address; `other` replaces what is wanted here."""
        values = {**vars(self), **other}
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def mail(self) -> tuple[str, str]:
        return self.step, self.variant


@dataclass(frozen=True)
class Test:
    """A mail to a colleague; the address itself is not kept."""

    step: str | None
    variant: str | None
    transport: str
    sent_by: str
    sent_at: datetime
    outcome: str | None


def _from_address(
    edition: Annotated[str | None, Query()] = None,
    step: Annotated[str, Query()] = "",
    variant: Annotated[str, Query()] = "",
    customer: Annotated[str | None, Query()] = None,
    case: Annotated[str | None, Query()] = None,
) -> Wanted:
    return Wanted(edition or None, step, variant, customer or None, case or None)


def _from_form(
    edition: Annotated[str, Form()] = "",
    step: Annotated[str, Form()] = "",
    variant: Annotated[str, Form()] = "",
    customer: Annotated[str, Form()] = "",
    case: Annotated[str, Form()] = "",
) -> Wanted:
    return Wanted(edition or None, step, variant, customer or None, case or None)


Asked = Annotated[Wanted, Depends(_from_address)]
Sent = Annotated[Wanted, Depends(_from_form)]


@router.get("/{name}/preview")
def preview(request: Request, who: Marketer, name: str, asked: Asked) -> HTMLResponse:
    """The page around the mails; they are rendered once it is there."""
    return _preview_page(request, who, name, asked)


@router.get("/{name}/preview/mail")
def mail_part(request: Request, who: Marketer, name: str, asked: Asked) -> HTMLResponse:
    """Subject, frames and text of one mail, and whom else it can be seen for; a part of the page."""
    settings: Settings = request.app.state.settings
    of, asked = _mailing(settings, name, asked)
    try:
        cases, chosen = mails.rendered(settings, who, of, asked.mail, asked.customer, asked.case)
    except (PermanentError, QueryStopped) as error:
        return page(request, "campaigns/mail.html", who=who, refused=sentence(error), chosen=None)
    return page(
        request, "campaigns/mail.html", who=who, refused=None, name=name, wanted=asked, cases=cases,
        chosen=chosen, sender=of.sender, customer_path=quote(chosen.customer_id, safe=""),
    )  # fmt: skip


@router.get("/{name}/preview/frame")
def mail_frame(request: Request, who: Marketer, name: str, asked: Asked) -> HTMLResponse:
    """A mail's HTML and nothing else, in an origin of its own."""
    settings: Settings = request.app.state.settings
    of, asked = _mailing(settings, name, asked)
    _, chosen = mails.rendered(settings, who, of, asked.mail, asked.customer, asked.case)
    return mails.in_a_sandbox(chosen)


@router.post("/{name}/preview")
def find_member(
    request: Request, who: Marketer, name: str, sent: Sent, member: Annotated[str, Form()] = ""
) -> Response:
    """Somebody by customer id or e-mail address, which therefore stands in no address of ours."""
    settings: Settings = request.app.state.settings
    try:
        with database.rendering(settings, who) as connection:
            customer = find_customer(connection, member) if member.strip() else None
    except PermanentError as error:
        return _preview_page(request, who, name, sent, 404, refused=sentence(error), member=member)
    return _to_preview(request, name, Wanted(sent.edition, sent.step, sent.variant, customer))


@router.post("/{name}/test-send")
def send_test(
    request: Request, who: Marketer, name: str, sent: Sent, to: Annotated[str, Form()] = ""
) -> Response:
    """The mail that is looked at, to an address of ours; it counts nowhere."""
    settings: Settings = request.app.state.settings
    of, sent = _mailing(settings, name, sent)
    try:
        address = _address(to)
        with database.deciding(settings) as connection:
            trials = send_trial(
                connection,
                settings,
                of.campaign,
                to=address,
                by=who.name,
                customer=sent.case or sent.customer,
                mail=sent.mail,
            )
    except PermanentError as error:
        return _preview_page(request, who, name, sent, UNUSABLE, test_refused=sentence(error), to=to)
    if any(trial.outcome != "accepted" for trial in trials):
        said = "; ".join(trial.outcome for trial in trials)
        return _preview_page(
            request, who, name, sent, UNUSABLE, test_refused=f"It was not sent: {said}.", to=to
        )
    return _to_preview(request, name, sent, "#test")


def _preview_page(
    request: Request, who: Visitor, name: str, asked: Wanted, status_code: int = 200, **values: Any
) -> HTMLResponse:
    settings: Settings = request.app.state.settings
    with database.figures(settings) as connection:
        known = known_campaign(settings, connection, name)
        tests = _tests(connection, name)
    of = None
    if asked.edition or known.file:
        of, asked = _mailing(settings, name, asked)
    return page(
        request,
        "campaigns/preview.html",
        **{"refused": None, "member": "", "test_refused": None, "to": ""} | values,
        who=who,
        status_code=status_code,
        name=name,
        problems=known.problems,
        of=of,
        wanted=asked,
        tests=tests,
        delivery=read_delivery(settings),
    )


def _mailing(settings: Settings, name: str, asked: Wanted) -> tuple[Mailing, Wanted]:
    """What is asked for, with the first mail where none is named. Raises 404 where there is no such thing."""
    with database.figures(settings) as connection:
        of = mails.mailing(connection, settings, name, asked.edition)
        if of is None:
            known_campaign(settings, connection, name)
    if of is None:
        what = (
            f"no edition {asked.edition} of {name}" if asked.edition else f"a mistake in the file of {name}"
        )
        raise HTTPException(404, f"There is {what}.")
    if asked.mail == ("", "") and asked.mail not in of.mails:
        step, variant = of.mails[0]
        return of, Wanted(asked.edition, step, variant, asked.customer, asked.case)
    if asked.mail not in of.mails:
        raise HTTPException(404, f"{name} has no mail {' '.join(part for part in asked.mail if part)}.")
    return of, asked


def _address(written: str) -> str:
    try:
        return _ADDRESS.validate_python(written)
    except ValidationError:
        raise InputError(f"{written.strip() or 'nothing'} is no e-mail address") from None


def _tests(connection: psycopg.Connection, name: str) -> list[Test]:
    with connection.cursor(row_factory=class_row(Test)) as cursor:
        return cursor.execute(
            """
            select step, variant, transport, sent_by, sent_at, outcome from activation.test_sends
            where campaign = %s
            order by sent_at desc
            limit %s
            """,
            [name, TESTS_SHOWN],
        ).fetchall()


def _to_preview(request: Request, name: str, asked: Wanted, fragment: str = "") -> Response:
    root = request.scope.get("root_path", "")
    query = asked.query()
    return RedirectResponse(
        f"{root}/campaigns/{quote(name, safe='')}/preview{'?' + query if query else ''}{fragment}", 303
    )
