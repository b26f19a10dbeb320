"""Sending the digest: to each recipient once a day, however often runs repeat."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import psycopg

from rapport import ledger
from rapport.audiences.recipients import RecipientKey
from rapport.delivery.configuration import Delivery, Sender, read_delivery, read_sender
from rapport.delivery.mime import Mail
from rapport.delivery.rendering import Rendered
from rapport.delivery.transports import Answer, Transport, open_transport
from rapport.digest.configuration import read_digest
from rapport.digest.content import render
from rapport.settings import Settings


@dataclass
class Sent:
    """To how many the digest of the day went now, to how many before, and why it did not reach others."""

    now: int = 0
    before: int = 0
    faults: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """In one sentence; no address is in it."""
        if not self.faults:
            return f"the digest went to {self.now}, {self.before} had it before"
        wanted = self.now + self.before + len(self.faults)
        reasons = ", ".join(sorted(set(self.faults)))
        return f"the daily digest did not reach {len(self.faults)} of {wanted}: {reasons}"


def send_digest(connection: psycopg.Connection, settings: Settings, now: datetime) -> Sent:
    """Send what the newest run did to everybody who has not had the digest of this day of UTC.

    Raises:
        RapportError: the digest, the sender or the transport is not set up as it must be.
    """
    digest = read_digest(settings)
    run = ledger.newest_run(connection)
    if not digest.recipients or run is None:
        return Sent()
    delivery, sender = read_delivery(settings), read_sender(settings)
    key = RecipientKey.from_settings(settings)
    rendered = render(connection, run, now, digest.pages)
    transport = open_transport(delivery, settings, now)
    sent = Sent()
    try:
        for address in dict.fromkeys(digest.recipients):
            recipient = key.key_of(address)
            if not _claim(connection, recipient, run.run_id, transport.name, now):
                sent.before += 1
                continue
            fault = _send(transport, delivery, sender, rendered, address, recipient, now)
            _note(connection, recipient, now, fault)
            if fault is None:
                sent.now += 1
            else:
                sent.faults.append(fault)
    finally:
        transport.close()
    return sent


def _send(
    transport: Transport,
    delivery: Delivery,
    sender: Sender,
    rendered: Rendered,
    address: str,
    recipient: str,
    now: datetime,
) -> str | None:
    """Why it did not go; None where it did."""
    domain = address.rpartition("@")[2].lower()
    allowed = [name.lower() for name in delivery.allow_recipients]
    if transport.name != "local" and allowed and domain not in allowed:
        return "config/delivery.yml: allow_recipients leaves the address out"
    message_id = uuid5(NAMESPACE_URL, f"rapport-digest/{_day(now)}/{recipient}")
    mail = Mail(message_id, address, sender, rendered, None, now)
    return _fault(transport.hand_over(transport.request([mail], 0)))


def _fault(answer: Answer) -> str | None:
    if answer.kind == "accepted":
        return "the address or a header cannot be written" if answer.faulty else None
    if answer.kind == "uncertain":
        return f"nobody knows whether it left ({answer.detail or 'no answer'})"
    return answer.hold or answer.detail or f"refused{f' with {answer.status}' if answer.status else ''}"


def _claim(
    connection: psycopg.Connection, recipient: str, run_id: int, transport: str, now: datetime
) -> bool:
    """Whether the recipient is to get the digest of this day now: who may have it already is not."""
    with connection.transaction():
        claimed = connection.execute(
            """
            insert into ops.digests (sent_for, recipient_key, run_id, transport)
            values (%s, %s, %s, %s)
            on conflict (sent_for, recipient_key) do update
            set run_id = excluded.run_id, transport = excluded.transport, tried_at = now(), fault = null
            where digests.sent_at is null and digests.fault is not null
                and digests.fault not like 'nobody knows%%'
            returning sent_for
            """,
            [_day(now), recipient, run_id, transport],
        ).fetchone()
    return claimed is not None


def _note(connection: psycopg.Connection, recipient: str, now: datetime, fault: str | None) -> None:
    with connection.transaction():
        connection.execute(
            """
            update ops.digests
            set fault = %(fault)s, sent_at = case when %(fault)s::text is null then now() end
            where sent_for = %(day)s and recipient_key = %(recipient)s
            """,
            {"fault": fault, "day": _day(now), "recipient": recipient},
        )


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
