"""Three real mails in one batched request, to see what arrives of it: `rapport delivery probe`.

SendGrid's documents say too little of substitutions to trust them with an audience. The mails hold tags in
every place that Rapport uses, and the texts that template languages and SendGrid itself react to.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg

from rapport.audiences.recipients import RecipientKey
from rapport.delivery.configuration import Delivery, Sender
from rapport.delivery.mime import Mail, list_unsubscribe
from rapport.delivery.personal_data import unsubscribe_url
from rapport.delivery.proof import account_of
from rapport.delivery.rendering import compile_mail
from rapport.delivery.transports import Request
from rapport.delivery.transports.sendgrid import SendGridTransport
from rapport.delivery.transports.sendgrid_request import body, canonical_mailbox
from rapport.delivery.unsubscribe import UnsubscribeKeys
from rapport.errors import ConfigurationError, PermanentError
from rapport.settings import Settings

MAILS = 3
TOPIC = "rapport_probe"  # of the unsubscribe links: trying one ends nothing else

_SUBJECT = "Rapport probe {{ customer.probe }} {{ customer.number }} of 3: {{ customer.name }}"
_TEMPLATE = """
<html lang="en"><body>
<div style="display:none">{{ preheader }}</div>
<h1>Dear {{ customer.name }}</h1>
<p title="{{ customer.name }}">{{ customer.said }} and {{ customer.said }}</p>
<table><tbody>{% for item in customer.items %}<tr><td>{{ loop.index }}</td><td>{{ item.name }}</td>
<td><a href="{{ item.url | url }}">{{ item.name }}</a></td></tr>{% endfor %}</tbody></table>
<p><a href="{{ sender.website }}/rapport-probe/{{ customer.place }}?q={{ customer.said }}">A path</a></p>
<p>{{ sender.postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>
</body></html>
"""
_NAMES = ("O'Brien & <b>", "{{ name }} %name% -name-", "Jörg 🎉 שלום")
_SAID = ("<%asm_group_unsubscribe_raw_url%>", "[unsubscribe] [Unsubscribe]", '"100 %" & {{{x}}} :name')


@dataclass(frozen=True)
class Probe:
    """A probe that was sent. `warning`: why its mails may not all be shown."""

    probe_id: UUID
    addresses: list[str]
    warning: str | None


def send_probe(
    connection: psycopg.Connection,
    settings: Settings,
    delivery: Delivery,
    sender: Sender,
    to: Sequence[str],
    now: datetime,
) -> Probe:
    """Send three mails in one request, to up to three addresses, and note what must arrive.

    The row is committed before the request leaves.

    Raises:
        ConfigurationError: SendGrid is not the transport, or the addresses are none that can prove anything.
        PermanentError: SendGrid did not take the request; the message says what it answered.
    """
    if delivery.transport != "sendgrid":
        raise ConfigurationError(
            f"config/delivery.yml: transport: {delivery.transport}; the probe is for transport: sendgrid"
        )
    addresses, warning = _addresses(to, delivery)
    probe_id = uuid4()
    key = RecipientKey.from_settings(settings)
    signing = UnsubscribeKeys.from_settings(settings, key).signing
    links = [unsubscribe_url(sender, signing, key.key_of(address), TOPIC) for address in addresses]
    mails = probe_mails(probe_id, sender, addresses, links, now)
    transport = SendGridTransport(delivery.sendgrid, settings)
    try:
        assert settings.sendgrid_api_key is not None
        request = Request([mail.message_id for mail in mails], body(mails, 0))
        with connection.transaction():
            connection.execute(
                """
                insert into activation.probes (probe_id, account, sender, mails, sent_at)
                values (%s, %s, %s, %s, %s)
                """,
                [
                    probe_id,
                    account_of(settings.sendgrid_api_key),
                    sender.address,
                    json.dumps(expected(mails, request.body)),
                    now,
                ],
            )
        answer = transport.hand_over(request)
    finally:
        transport.close()
    if answer.kind != "accepted":
        raise PermanentError(
            f"SendGrid did not take the probe: {answer.hold or answer.detail or answer.kind}"
        )
    return Probe(probe_id, addresses, warning)


def probe_mails(
    probe_id: UUID, sender: Sender, addresses: Sequence[str], links: Sequence[str], now: datetime
) -> list[Mail]:
    """The mails of a probe, of one shell."""
    template = compile_mail(_SUBJECT, "Three of these in one request; {{ customer.name }}", _TEMPLATE)
    mails = []
    for number, (address, link) in enumerate(zip(addresses, links, strict=True)):
        items = [
            {
                "name": f"{_NAMES[(number + item) % MAILS]} {item}",
                "url": f"{sender.website}/rapport-probe?mail={number}&item={item}#end",
            }
            for item in range(2)
        ]
        customer = {
            "probe": probe_id.hex[:8],
            "number": number + 1,
            "name": _NAMES[number],
            "said": _SAID[number],
            "place": f"{_NAMES[number]}/{number}",
            "items": items,
        }
        context = {"customer": customer, "sender": sender.model_dump(), "unsubscribe_url": link}
        mails.append(Mail(uuid4(), address, sender, template.shape(context), link, now))
    return mails


def expected(mails: Sequence[Mail], request: bytes | list[Mail]) -> dict[str, Any]:
    """What must arrive, as plain values: tags that must not, and of each mail its parts and headers."""
    assert isinstance(request, bytes)
    sent = orjson.loads(request)
    return {
        "tags": list(sent["personalizations"][0]["substitutions"]),
        "from_name": sent["from"]["name"],
        "reply_to": sent["reply_to"]["email"],
        "mails": [
            {
                "subject": mail.rendered.subject,
                "html": mail.rendered.html,
                "text": mail.rendered.text,
                "unsubscribe_url": mail.unsubscribe_url,
                "headers": list_unsubscribe(mail),
            }
            for mail in mails
        ],
    }


def _addresses(to: Sequence[str], delivery: Delivery) -> tuple[list[str], str | None]:
    """Three addresses, of which as many as possible are mailboxes of their own."""
    given = list(dict.fromkeys(address.strip() for address in to))
    for address in given:
        local, at, domain = address.rpartition("@")
        if not (local and at and "." in domain and address.isascii()) or any(c in address for c in ' ,;<>"'):
            raise ConfigurationError(f"{address} is no e-mail address")
        if delivery.allow_recipients and domain.lower() not in map(str.lower, delivery.allow_recipients):
            raise ConfigurationError(f"config/delivery.yml: allow_recipients does not have {domain}")
    mailboxes = {canonical_mailbox(address) for address in given}
    if len(given) > MAILS or len(mailboxes) < len(given):
        raise ConfigurationError("give one to three addresses with --to, each of a mailbox of its own")
    if len(given) == MAILS:
        return given, None
    if any(mailbox.endswith("@gmail.com") for mailbox in mailboxes):
        raise ConfigurationError(
            "Gmail shows one of several aliases only; give three addresses of different mailboxes with --to"
        )
    local, _, domain = given[0].rpartition("@")
    aliases = [f"{local}+probe{number}@{domain}" for number in range(1, MAILS - len(given) + 1)]
    return given + aliases, (
        f"{' and '.join(aliases)} must reach you, too; some providers show one of several aliases only. "
        "Three addresses of different mailboxes, each with --to, are safer"
    )
