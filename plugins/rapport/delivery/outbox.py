"""From the approved plan to the transport: every message once, through any crash."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg
from pydantic import ValidationError

from rapport import warehouse
from rapport.audiences.recipients import RecipientKey
from rapport.campaigns.campaign import Campaign
from rapport.delivery.addresses import campaign_fields
from rapport.delivery.claim import claim
from rapport.delivery.configuration import Delivery, Sender, read_delivery
from rapport.delivery.faults import RenderError, TemplateMistakes
from rapport.delivery.mime import Mail
from rapport.delivery.personal_data import contexts, recipients
from rapport.delivery.rendering import MailTemplate, compile_mail
from rapport.delivery.settling import expire, hold, hold_if_broken, record, settle
from rapport.delivery.transports import LegacyTransport as Transport
from rapport.delivery.transports import open_transport
from rapport.settings import Settings

BATCH = 500
PATIENCE = "10s"
SEND_LOCK = 0x7261_7073  # "raps": one sender at a time, so that what is found in `sending` is a dead sender's

log = logging.getLogger(__name__)


@dataclass
class SendCounts:
    """What a call did, in messages; `held` names editions that it stopped."""

    accepted: int = 0
    skipped: int = 0
    expired: int = 0
    held: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Edition:
    edition_id: str
    due_at: datetime
    campaign: Campaign
    sender: Sender
    templates: dict[tuple[str, str], MailTemplate]


def anything_due(url: str, *, now: datetime) -> bool:
    """Whether `send_due` would find an edition to work on."""
    with warehouse.connect(url) as connection:
        row = connection.execute(
            """
            select exists (
                select from activation.editions where state in ('approved', 'sending') and due_at <= %s
            )
            """,
            [now],
        ).fetchone()
    return row is not None and bool(row[0])


def send_due(url: str, settings: Settings, *, now: datetime) -> SendCounts:
    """Send what is approved and due. Killed at any instant and called again, it sends the rest, each once.

    Returns at once, with nothing sent, where another sender is at work.

    Raises:
        ConfigurationError: config/delivery.yml is wrong.
        RecipientKeyChanged: the recipients of this warehouse were made with another key.
        DiskFull: the mailbox or the warehouse has no room; what was not written is sent by the next call.
    """
    delivery = read_delivery(settings)
    counts = SendCounts()
    with warehouse.connect(url, autocommit=True) as connection, _only_sender(connection) as is_mine:
        if not is_mine:
            return counts
        key = RecipientKey.from_settings(settings)
        key.verify(connection)
        transport = open_transport(delivery, settings)
        counts.accepted += settle(connection, transport)
        for edition in _due_editions(connection, now):
            _send_edition(connection, edition, delivery, transport, key.secret, now, counts)
    return counts


def _send_edition(
    connection: psycopg.Connection,
    edition: _Edition,
    delivery: Delivery,
    transport: Transport,
    secret: bytes,
    now: datetime,
    counts: SendCounts,
) -> None:
    connection.execute(
        "update activation.editions set state = 'sending' where edition_id = %s and state = 'approved'",
        [edition.edition_id],
    )
    counts.expired += expire(connection, edition.edition_id, edition.campaign, now)
    while claimed := claim(
        connection, edition.edition_id, edition.campaign, delivery.caps[edition.campaign.cap], BATCH
    ):
        message_ids, skipped = claimed
        mails, faulty = _render(connection, edition, secret, message_ids)
        faulty += transport.send(mails)
        sent = [mail.message_id for mail in mails if mail.message_id not in set(faulty)]
        with connection.transaction():
            record(connection, sent, "accepted", None)
            record(connection, faulty, "skipped", "render_error")
        counts.accepted += len(sent)
        counts.skipped += skipped + len(faulty)
        if faulty and hold_if_broken(connection, edition.edition_id):
            counts.held.append(edition.edition_id)
            return
    connection.execute(
        """
        update activation.editions set state = 'done'
        where edition_id = %(edition)s and state = 'sending' and not exists (
            select from activation.messages where edition_id = %(edition)s and state in ('planned', 'sending')
        )
        """,
        {"edition": edition.edition_id},
    )
    log.info("edition %s: %d messages accepted by now", edition.edition_id, counts.accepted)


def _render(
    connection: psycopg.Connection, edition: _Edition, secret: bytes, message_ids: Sequence[UUID]
) -> tuple[list[Mail], list[UUID]]:
    """The mails of the messages, and the messages that do not render."""
    people = recipients(connection, message_ids)
    data = contexts(connection, edition.campaign, edition.sender, secret, people)
    mails, faulty = [], []
    for person in people:
        context = data[person.message_id]
        try:
            rendered = edition.templates[person.step, person.variant].render(context)
        except RenderError as error:
            log.warning("message %s of edition %s: %s", person.message_id, edition.edition_id, error)
            faulty.append(person.message_id)
            continue
        mails.append(
            Mail(
                message_id=person.message_id,
                recipient=person.email,
                sender=edition.sender,
                rendered=rendered,
                unsubscribe_url=context["unsubscribe_url"],
                due_at=edition.due_at,
            )
        )
    return mails, faulty


def _due_editions(connection: psycopg.Connection, now: datetime) -> Iterator[_Edition]:
    rows = connection.execute(
        """
        select edition_id, due_at, specification
        from activation.editions
        where state in ('approved', 'sending') and due_at <= %s
        order by (specification #>> '{campaign,priority}')::int desc, due_at, edition_id
        """,
        [now],
    ).fetchall()
    for edition_id, due_at, specification in rows:
        try:
            campaign = Campaign.model_validate(specification["campaign"])
            sender = Sender.model_validate(specification["sender"])
            templates = {
                (step, variant): compile_mail(
                    *campaign.mail(step, variant),
                    link_fields=campaign_fields(campaign.name, edition_id, step or variant),
                )
                for step, variant in campaign.contents
            }
        except (ValidationError, TemplateMistakes):
            # Planned by an older version of Rapport that allowed more.
            hold(connection, edition_id, "template_error: this version of Rapport refuses what was planned")
            continue
        yield _Edition(edition_id, due_at, campaign, sender, templates)


@contextmanager
def _only_sender(connection: psycopg.Connection) -> Iterator[bool]:
    # A sender that was killed lets go as soon as the server notices; give it that time.
    connection.execute(f"set lock_timeout = '{PATIENCE}'")
    try:
        connection.execute("select pg_advisory_lock(%s)", [SEND_LOCK])
    except psycopg.errors.LockNotAvailable:
        yield False
        return
    finally:
        connection.execute("reset lock_timeout")
    try:
        yield True
    finally:
        connection.execute("select pg_advisory_unlock(%s)", [SEND_LOCK])
