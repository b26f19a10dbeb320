"""Mails as a marketer looks at them: from the files as they are, or from what an edition was planned with.

A page, its two frames and its text come from one rendering, which is kept for a minute, for one person.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

import psycopg
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from rapport.campaigns.campaign import Campaign
from rapport.campaigns.preview import Preview, previews
from rapport.delivery.configuration import Sender, read_sender
from rapport.settings import Settings
from rapport.web import audit, database
from rapport.web.pages.campaigns.files_now import campaign_now
from rapport.web.visitors import Visitor

# A mail is hostile content beside a log-in cookie that scripts could read: it gets an origin of its own, runs
# nothing and loads nothing but pictures.
POLICY = (
    "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
KEPT_FOR = 60.0  # seconds
KEPT = 32


@dataclass(frozen=True)
class Mailing:
    """What mails are made of; `edition_id` None: of the files as they are now."""

    campaign: Campaign
    sender: Sender
    edition_id: str | None
    mails: list[tuple[str, str]]

    @property
    def content_hash(self) -> str:
        return self.campaign.content_hash(self.sender)


@dataclass
class _Kept:
    previews: list[Preview]
    at: float
    shown: set[str] = field(default_factory=set)


# One rendering at a time: a template may take its ten seconds, and the page's frames wait for its text.
_LOCK = Lock()
_KEPT: OrderedDict[tuple[object, ...], _Kept] = OrderedDict()


def mailing(
    connection: psycopg.Connection, settings: Settings, name: str, edition_id: str | None
) -> Mailing | None:
    """The mails of a campaign, as its file has them or as an edition was planned with; None: neither is.

    Raises:
        ConfigurationError: config/sender.yml is wrong.
    """
    if edition_id is None:
        campaign = campaign_now(settings, connection, name)
        if campaign is None:
            return None
        return Mailing(campaign, read_sender(settings), None, list(campaign.contents))
    row = connection.execute(
        "select specification, step from activation.editions where edition_id = %s and campaign = %s",
        [edition_id, name],
    ).fetchone()
    if row is None:
        return None
    campaign = Campaign.model_validate(row[0]["campaign"])
    mails = [mail for mail in campaign.contents if mail[0] == (row[1] or "")]
    return Mailing(campaign, Sender.model_validate(row[0]["sender"]), edition_id, mails)


def rendered(
    settings: Settings,
    who: Visitor,
    of: Mailing,
    mail: tuple[str, str],
    customer: str | None,
    shown: str | None,
) -> tuple[list[Preview], Preview]:
    """A mail for a customer, else for the edge cases; and of these that for customer `shown`, or the first.

    That somebody sees this person's data is put on record before it is returned.

    Raises:
        InputError: the customer is not known, or the segments are empty.
    """
    key = (settings, who.name, of.campaign.name, of.content_hash, mail, customer)
    with _LOCK:
        kept = _KEPT.get(key)
        if kept is None or time.monotonic() - kept.at > KEPT_FOR:
            with database.rendering(settings, who) as connection:
                found = previews(connection, of.campaign, of.sender, customer=customer, mail=mail)
            kept = _KEPT[key] = _Kept(found, time.monotonic())
            while len(_KEPT) > KEPT:
                _KEPT.popitem(last=False)
        chosen = next((one for one in kept.previews if one.customer_id == shown), kept.previews[0])
        if chosen.customer_id not in kept.shown:
            audit.record(settings, who, "previewed mail", chosen.customer_id, campaign=of.campaign.name)
            kept.shown.add(chosen.customer_id)
    return kept.previews, chosen


def in_a_sandbox(preview: Preview) -> HTMLResponse:
    """The mail's HTML, for a frame or by its direct address."""
    html = preview.rendered.html if preview.rendered else _fault(preview)
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})


def _fault(preview: Preview) -> str:
    return Markup("<!doctype html><title>No mail</title><p>This mail cannot be written: {}</p>").format(
        preview.fault
    )
