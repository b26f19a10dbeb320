"""The routes of the customers' pages.

Who may see people looks anybody up and sees all of them. A viewer looks up by customer number alone and sees
what the schema `reporting` shows: customer ids are made from what a customer was first known by, so that who
may open them could try out addresses.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import psycopg
from fastapi import APIRouter, Form, HTTPException, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from rapport.identity.configuration import read_identity
from rapport.settings import Settings
from rapport.web import audit, database
from rapport.web.access import Marketer, Viewer
from rapport.web.pages.customers import evidence, mails, permissions, profile, search, timeline, wanted
from rapport.web.rendering import page
from rapport.web.visitors import Role, Visitor

router = APIRouter()
NUMBER = "number:"
LATELY = 8
NOBODY = "No customer is called so. Customers are found on the page Customers."
NOBODY_FOR_VIEWERS = (
    "No customer has this number. Viewers find customers by customer number; looking up anything else, and "
    "customers by their id, takes a marketer."
)


@dataclass(frozen=True)
class Found:
    """A customer as an address names them. `handle` is what links to them, for this visitor."""

    customer_id: str
    handle: str


@router.get("/customers")
def index(request: Request, who: Viewer) -> HTMLResponse:
    """The search, and whom this visitor looked at lately."""
    settings = request.app.state.settings
    with database.people(settings, who) as connection:
        if not profile.is_built(connection):
            return page(request, "customers/empty.html", who=who)
    return _results(request, who, "", hits=_lately(settings, who), lately=True)


@router.post("/customers")
def results(
    request: Request,
    who: Viewer,
    q: Annotated[str, Form()] = "",
    after: Annotated[str | None, Form()] = None,
) -> HTMLResponse:
    """Whom a text may mean. It comes in a form and not in an address, because addresses end up in logs."""
    settings = request.app.state.settings
    asked = wanted.read(q, read_identity(settings).email_folding)
    if not asked.text:
        return index(request, who)
    with database.people(settings, who, alone=True) as connection:
        if not profile.is_built(connection):
            return page(request, "customers/empty.html", who=who)
        if not who.may(Role.MARKETER):
            return _results(request, who, asked.text, masked=search.find_masked(connection, asked.text))
        found = search.find(connection, asked, after or None)
    audit.record(settings, who, "searched customers", "customers", results=len(found.hits))
    return _results(request, who, asked.text, hits=found.hits, after=found.after, is_more=bool(after))


@router.get("/customers/{handle}")
def customer(
    request: Request,
    who: Viewer,
    handle: str,
    kind: str | None = None,
    after: str | None = None,
    mails_after: str | None = None,
    was: str | None = None,
) -> Response:
    """All that is known of a customer."""
    settings = request.app.state.settings
    with _looking(settings, who, handle) as (connection, found):
        if found.handle != handle:
            return RedirectResponse(_address(request, found.handle, was=handle), status_code=303)
        masked = not who.may(Role.MARKETER)
        row = profile.customer(connection, found.customer_id, masked=masked)
        if row is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, _nobody(who))
        audit.record(settings, who, "viewed customer", found.customer_id)
        return page(
            request,
            "customers/customer.html",
            who=who,
            handle=_quoted(found.handle),
            number=found.handle.removeprefix(NUMBER).partition(":")[2] if masked else None,
            was=was,
            masked=masked,
            customer=row,
            fields=[] if masked else profile.fields(row),
            company=None if masked else profile.company(connection, row["company_key"]),
            revenue=[] if masked else profile.revenue_by_currency(connection, found.customer_id),
            memberships=profile.memberships(connection, found.customer_id),
            permissions=[] if masked else permissions.read(connection, found.customer_id),
            timeline=timeline.read(connection, found.customer_id, masked=masked, kind=kind, after=after),
            kinds=timeline.KINDS,
            is_older=after is not None,
            history=mails.history(connection, found.customer_id, masked=masked, after=mails_after),
            is_older_mail=mails_after is not None,
        )


@router.get("/customers/{handle}/timeline")
def more_of_the_timeline(
    request: Request, who: Viewer, handle: str, kind: str | None = None, after: str | None = None
) -> HTMLResponse:
    """A part that htmx puts in: the timeline of one kind, or older touches."""
    settings = request.app.state.settings
    with _looking(settings, who, handle) as (connection, found):
        audit.record(settings, who, "viewed customer", found.customer_id, part="timeline")
        return page(
            request,
            "customers/touches.html" if after else "customers/timeline.html",
            who=who,
            handle=_quoted(found.handle),
            timeline=timeline.read(
                connection, found.customer_id, masked=not who.may(Role.MARKETER), kind=kind, after=after
            ),
            kinds=timeline.KINDS,
            is_older=False,
        )


@router.get("/customers/{handle}/messages")
def older_messages(request: Request, who: Viewer, handle: str, after: str) -> HTMLResponse:
    """A part that htmx puts in: messages before one."""
    settings = request.app.state.settings
    with _looking(settings, who, handle) as (connection, found):
        audit.record(settings, who, "viewed customer", found.customer_id, part="messages")
        return page(
            request,
            "customers/messages.html",
            who=who,
            handle=_quoted(found.handle),
            history=mails.history(
                connection, found.customer_id, masked=not who.may(Role.MARKETER), after=after
            ),
        )


@router.get("/customers/{handle}/evidence")
def why_one_person(request: Request, who: Marketer, handle: str) -> HTMLResponse:
    """Why what the customer is known by belongs to one person."""
    settings = request.app.state.settings
    with _looking(settings, who, handle) as (_, found):
        audit.record(settings, who, "viewed customer", found.customer_id, part="evidence")
    with database.evidence(settings, who) as connection:
        shown = evidence.read(connection, found.customer_id, read_identity(settings))
    return _part(request, who, "evidence", found, evidence=shown)


@router.get("/customers/{handle}/next")
def what_next(request: Request, who: Marketer, handle: str) -> HTMLResponse:
    """What each campaign would do with them next."""
    settings = request.app.state.settings
    with _looking(settings, who, handle) as (_, found):
        audit.record(settings, who, "viewed customer", found.customer_id, part="next")
    with database.evidence(settings, who) as connection:
        as_of, outlooks = mails.next_mails(connection, settings, found.customer_id)
    return _part(request, who, "next", found, as_of=as_of, outlooks=outlooks)


@contextmanager
def _looking(settings: Settings, who: Visitor, handle: str) -> Iterator[tuple[psycopg.Connection, Found]]:
    """The customer whom a handle names, and a connection that may read them.

    Raises:
        HTTPException: 404; a viewer gets the same for an id that exists and for one that does not.
    """
    with database.people(settings, who) as connection:
        if not profile.is_built(connection):
            raise HTTPException(
                status.HTTP_404_NOT_FOUND, "There is no customer view yet; `rapport run` builds it."
            )
        customer_id = None
        if handle.startswith(NUMBER):
            source, _, number = handle.removeprefix(NUMBER).partition(":")
            hits = search.find_masked(connection, number)
            customer_id = next((hit.customer_id for hit in hits if hit.source == source), None)
            if who.may(Role.MARKETER) and customer_id is not None:
                handle = customer_id
        elif who.may(Role.MARKETER):
            customer_id = handle = profile.surviving(connection, handle) or handle
        if customer_id is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, _nobody(who))
        yield connection, Found(customer_id, handle)


def _nobody(who: Visitor) -> str:
    return NOBODY if who.may(Role.MARKETER) else NOBODY_FOR_VIEWERS


def _lately(settings: Settings, who: Visitor) -> list[search.Hit]:
    if not who.may(Role.MARKETER):
        return []
    with database.figures(settings) as connection:
        lately = connection.execute(
            """
            select subject
            from (
                select subject, audit_id
                from ops.page_audit
                where who = %s and action = 'viewed customer'
                order by audit_id desc
                limit 200
            ) as views
            group by subject
            order by max(audit_id) desc
            limit %s
            """,
            [who.name, LATELY],
        ).fetchall()
    with database.people(settings, who) as connection:
        return search.details(connection, [row[0] for row in lately])


def _results(
    request: Request,
    who: Visitor,
    text: str,
    *,
    hits: list[search.Hit] | None = None,
    masked: list[search.MaskedHit] | None = None,
    after: str | None = None,
    is_more: bool = False,
    lately: bool = False,
) -> HTMLResponse:
    return page(
        request,
        "customers/search.html",
        who=who,
        text=text,
        hits=hits or [],
        masked=[(hit, _quoted(f"{NUMBER}{hit.source}:{hit.customer_number}")) for hit in masked or []],
        may_see_people=who.may(Role.MARKETER),
        after=after,
        is_more=is_more,
        lately=lately,
    )


def _part(request: Request, who: Visitor, name: str, found: Found, **values: Any) -> HTMLResponse:
    """For htmx the part alone, else, without a script, a page of its own around it."""
    template = f"customers/{name}.html" if "hx-request" in request.headers else "customers/alone.html"
    return page(
        request, template, who=who, part=f"customers/{name}.html", handle=_quoted(found.handle), **values
    )


def _quoted(handle: str) -> str:
    return quote(handle, safe=":")


def _address(request: Request, handle: str, *, was: str) -> str:
    root = request.scope.get("root_path", "")
    return f"{root}/customers/{_quoted(handle)}?was={quote(was, safe='')}"
