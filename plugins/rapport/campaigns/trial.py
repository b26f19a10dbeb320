"""A campaign's mail to a colleague, with a customer's data: a trial, which counts nowhere."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import psycopg

from rapport.audiences.recipients import RecipientKey
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.preview import Preview, previews
from rapport.delivery.configuration import read_delivery, read_sender
from rapport.delivery.mime import Mail
from rapport.delivery.personal_data import unsubscribe_url
from rapport.delivery.rendering import Rendered
from rapport.delivery.transports import open_transport
from rapport.delivery.unsubscribe import UnsubscribeKeys
from rapport.errors import InputError
from rapport.settings import Settings

PREFIX = "[Test] "


@dataclass(frozen=True)
class Trial:
    """What became of one mail: `outcome` is a transport's answer, or why it does not render."""

    step: str
    variant: str
    transport: str
    outcome: str


def send_trial(
    connection: psycopg.Connection,
    settings: Settings,
    campaign: Campaign,
    *,
    to: str,
    by: str,
    customer: str | None = None,
    mail: tuple[str, str] | None = None,
) -> list[Trial]:
    """Send the campaign's mails, as a customer would get them, to an address of ours; one request a mail.

    It is noted in activation.test_sends and is no message: no cap, count or result knows it. Its unsubscribe
    link is real, and is that of `to`.

    Raises:
        InputError: `to` may get no mail by config/delivery.yml, or the customer is not known.
        ConfigurationError: the sender or the transport is not set up.
    """
    now = datetime.now(UTC)
    delivery, sender = read_delivery(settings), read_sender(settings)
    domain = to.rpartition("@")[2].lower()
    if (
        delivery.transport != "local"
        and delivery.allow_recipients
        and domain not in delivery.allow_recipients
    ):
        allowed = ", ".join(delivery.allow_recipients)
        raise InputError(f"config/delivery.yml: allow_recipients lets only {allowed} get mail, not {domain}")
    key = RecipientKey.from_settings(settings)
    key.verify(connection)
    link = unsubscribe_url(
        sender, UnsubscribeKeys.from_settings(settings, key).signing, key.key_of(to), campaign.topic
    )
    shown = {
        (preview.step, preview.variant): preview
        for preview in reversed(previews(connection, campaign, sender, customer=customer, mail=mail))
    }
    transport = open_transport(delivery, settings, now)
    trials = []
    try:
        for (step, variant), preview in sorted(shown.items()):
            if preview.rendered is None:
                trials.append(Trial(step, variant, transport.name, str(preview.fault)))
                continue
            trial = Mail(uuid4(), to, sender, _as_sent(preview, link), link, now)
            answer = transport.hand_over(transport.request([trial], 0))
            outcome = answer.kind if answer.kind != "accepted" or not answer.faulty else "cannot be written"
            trials.append(Trial(step, variant, transport.name, answer.hold or answer.detail or outcome))
            connection.execute(
                """
                insert into activation.test_sends (
                    test_id, campaign, step, variant, transport, recipient_key, sent_by, outcome
                )
                values (%s, %s, nullif(%s, ''), nullif(%s, ''), %s, %s, %s, %s)
                """,
                [trial.message_id, campaign.name, step, variant, transport.name, key.key_of(to), by, outcome],
            )
    finally:
        transport.close()
    return trials


def _as_sent(preview: Preview, link: str) -> Rendered:
    """The preview with a link that works in place of its own, and a subject that says what it is."""
    assert preview.rendered is not None
    rendered = preview.rendered
    return replace(
        rendered,
        subject=PREFIX + rendered.subject,
        html=rendered.html.replace(preview.unsubscribe_url, link),
        text=rendered.text.replace(preview.unsubscribe_url, link),
    )
