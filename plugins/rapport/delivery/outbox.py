"""From the approved plan to the transport: every message once, through any crash."""

import logging
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg

from rapport import warehouse
from rapport.alerts import alarm
from rapport.audiences.recipients import RecipientKey
from rapport.campaigns.conditions import customer_columns
from rapport.campaigns.recipient_hours import known_zones
from rapport.delivery import attempts, breaker, rate, settling
from rapport.delivery.chunks import Worker, due_messages, render
from rapport.delivery.claim import Candidate, attempt_ids, claim
from rapport.delivery.claim_statement import Claiming
from rapport.delivery.configuration import Delivery, read_delivery
from rapport.delivery.counts import SendCounts
from rapport.delivery.editions import Edition, due_editions, finish
from rapport.delivery.events import drain
from rapport.delivery.handing_over import Handing, Parcel
from rapport.delivery.mime import Mail
from rapport.delivery.personal_data import Recipient
from rapport.delivery.proof import unproven_shape, with_proven_render
from rapport.delivery.quotas import left_today
from rapport.delivery.ramp import Ramp
from rapport.delivery.restored import HighWater, hold_what_was_restored
from rapport.delivery.settling import SENDER_LOCK
from rapport.delivery.suppression_lists import ensure_first_pull
from rapport.delivery.transports import Transport, open_transport
from rapport.delivery.unsubscribe import UnsubscribeKeys
from rapport.settings import Settings

CLAIMING = 480.0  # seconds after which nothing more is claimed: a call ends within ten minutes
ASKING = 10.0  # seconds between two looks at what came back

log = logging.getLogger(__name__)


def send_due(url: str, settings: Settings, *, now: datetime, worker: Worker | None = None) -> SendCounts:
    """Send what is approved and due. Killed at any instant and called again, it sends the rest, each once.

    Several callers may send at the same time; each message is claimed by one of them.

    Args:
        now: the moment that the local mailbox sends as of. Other transports go by the wall clock, and are not
            used at all where `now` is more than a day from it.
        worker: which share of the messages is this process's; all of them, unless told.

    Raises:
        ConfigurationError: config/delivery.yml is wrong.
        RecipientKeyChanged: the recipients of this warehouse were made with another key.
        SourceRefused, SourceUnavailable: SendGrid's lists, which are read before the first mail, cannot be.
        DiskFull: the mailbox or the warehouse has no room; what was not written is sent by the next call.
    """
    with warehouse.connect(url, autocommit=True) as connection, _living(connection) as number:
        delivery = with_proven_render(connection, read_delivery(settings), settings, now)
        transport = open_transport(delivery, settings, now)
        try:
            key = RecipientKey.from_settings(settings)
            key.verify(connection)
            hold_what_was_restored(connection, settings)
            if transport.name == "sendgrid":
                ensure_first_pull(connection, key, settings, datetime.now(UTC))
            sender = _Sender(
                url, connection, settings, delivery, transport, key, number, now, worker or Worker()
            )
            sender.look_around()
            for edition in due_editions(connection, delivery, sender.moment()):
                sender.send(edition)
                if sender.is_late:
                    break
        finally:
            transport.close()
    return sender.counts


class _Sender:
    """One process's sending: the editions one after another, chunk by chunk."""

    def __init__(
        self,
        url: str,
        connection: psycopg.Connection,
        settings: Settings,
        delivery: Delivery,
        transport: Transport,
        key: RecipientKey,
        number: int,
        now: datetime,
        worker: Worker,
    ) -> None:
        self.counts = SendCounts()
        self._url = url
        self._connection = connection
        self._settings = settings
        self._delivery = delivery
        self._transport = transport
        self._key = key
        self._signing = UnsubscribeKeys.from_settings(settings, key).signing
        self._number = number
        self._now = now
        self._worker = worker
        self._high_water = HighWater(connection, settings)
        self._columns = customer_columns(connection)
        self._zones: list[str] = []
        self._judged: dict[str, float] = {}
        self._began = time.monotonic()
        self._looked = float("-inf")
        self._parent = os.getppid()

    def moment(self) -> datetime:
        """The time to go by: the local mailbox's is given, that of the others is the wall clock's."""
        return self._now if self._transport.is_idempotent else datetime.now(UTC)

    @property
    def is_late(self) -> bool:
        """Whether nothing more may be claimed: time is up, or who started this process is gone."""
        return time.monotonic() - self._began > CLAIMING or os.getppid() != self._parent

    def look_around(self) -> None:
        """Take in what came back, and settle what others left; at most every ten seconds."""
        if time.monotonic() - self._looked < ASKING:
            return
        self._looked = time.monotonic()
        self._drain()
        local = self._transport if self._transport.is_idempotent else None
        self.counts.accepted += settling.settle(self._connection, local, self.moment())
        settling.give_up_waiting(self._connection)

    def _drain(self) -> None:
        drained = drain(self._connection, self._key, self.moment())
        self.counts.accepted += drained.accepted
        alarm(drained.alarms, self._settings.alert_webhook)

    def send(self, edition: Edition) -> None:
        """Send what of an edition is due and may leave now."""
        self._connection.execute(
            "update activation.editions set state = 'sending' where edition_id = %s and state = 'approved'",
            [edition.edition_id],
        )
        campaign = edition.campaign
        self.counts.expired += settling.expire(
            self._connection, edition.edition_id, campaign.expires_after, self.moment()
        )
        ramp = Ramp(self._connection, edition.edition_id, self._transport)
        handing = Handing(self._url, self._connection, self._transport, campaign.name, self.moment)
        try:
            self._send_chunks(edition, ramp, handing)
            handing.stop() if self.is_late else handing.finish()
        finally:
            handing.close()
        self.counts.add(handing.counts)
        if self.counts.skipped or handing.counts.skipped:
            self._hold_if_broken(edition.edition_id)
        if handing.is_held:
            self.counts.held.append(edition.edition_id)
        finish(self._connection, edition.edition_id)
        log.info("edition %s: %d messages accepted by now", edition.edition_id, handing.counts.accepted)

    def _send_chunks(self, edition: Edition, ramp: Ramp, handing: Handing) -> None:
        claiming = self._claiming(edition)
        size = self._transport.chunk
        # A sender that was changed since the edition was planned has no proof of the new one.
        shapes = self._transport.shapes and not unproven_shape(
            self._connection, self._delivery, self._settings, edition.sender.address, self.moment()
        )
        if not self._transport.is_idempotent:
            size = max(1, min(size, int(self._delivery.per_second)))
        domains = [] if self._transport.is_idempotent else self._delivery.allow_recipients
        keys = self._worker.keys(self._key.key_id)
        for due in due_messages(self._connection, edition.edition_id, keys, size, self.moment, domains):
            self.look_around()
            if self._is_tripped(edition.campaign.name):
                self.counts.held.append(edition.edition_id)
                return
            share = ramp.share(self.moment())
            if share == 0 or left_today(self._connection, edition.campaign) == 0:
                return
            if self.is_late or handing.is_held:
                return
            mails, faulty = render(
                self._connection, edition, self._signing, self._delivery, due, shapes=shapes
            )
            self.counts.skipped += faulty
            if faulty and self._hold_if_broken(edition.edition_id):
                return
            if not self._take_tokens(len(mails), handing):
                return
            self._drain()
            handing.add(self._claim(claiming, due, mails, share))
            while handing.is_busy and not self.is_late:
                handing.step()

    def _claiming(self, edition: Edition) -> Claiming:
        if edition.campaign.window is not None and not self._zones:
            self._zones = known_zones(self._connection)
        return Claiming(
            edition_id=edition.edition_id,
            step=edition.step,
            campaign=edition.campaign,
            delivery=self._delivery,
            transport=self._transport.name,
            sender=self._number,
            columns=self._columns,
            zones=self._zones,
        )

    def _claim(
        self, claiming: Claiming, due: Sequence[Recipient], mails: Sequence[Mail], share: int | None
    ) -> list[Parcel]:
        """Claim the mails as they travel together; those who may not get theirs any more are left out."""
        parcels = self._transport.parcels(mails)
        numbers = attempt_ids(self._connection, len(parcels))
        keys = {one.message_id: one.recipient_key for one in due}
        claimed = claim(
            self._connection,
            claiming,
            [
                Candidate(mail.message_id, keys[mail.message_id], number)
                for number, parcel in zip(numbers, parcels, strict=True)
                for mail in parcel
            ],
            moment=self.moment(),
            share=share,
        )
        self.counts.skipped += claimed.skipped
        rest = [
            Parcel(number, [mail for mail in parcel if mail.message_id in claimed.message_ids])
            for number, parcel in zip(numbers, parcels, strict=True)
        ]
        whole = [len(parcel) for parcel in parcels]
        rest = [
            part
            for parcel, before in zip(rest, whole, strict=True)
            if parcel.mails
            for part in (self._regrouped(parcel) if len(parcel.mails) < before else [parcel])
        ]
        if rest:
            self._high_water.note(max(parcel.attempt_id for parcel in rest))
        return rest

    def _regrouped(self, parcel: Parcel) -> list[Parcel]:
        """What is left of a parcel, as it travels now: too few of a shell go one by one."""
        parts = self._transport.parcels(parcel.mails)
        if len(parts) == 1:
            return [parcel]
        numbers = attempts.divide(
            self._connection,
            parcel.attempt_id,
            [[mail.message_id for mail in part] for part in parts],
            status=None,
            detail="too few were left at the claim to share a request",
            refused={},
        )
        return [Parcel(number, part) for number, part in zip(numbers, parts, strict=True)]

    def _is_tripped(self, campaign: str) -> bool:
        """Whether the circuit breaker stops the campaign; looked at once a minute."""
        if not self._transport.has_events or time.monotonic() - self._judged.get(campaign, -60) < 60:
            return False
        self._judged[campaign] = time.monotonic()
        if fault := breaker.fault(self._connection, campaign):
            log.warning("campaign %s is held: %s", campaign, fault)
            settling.hold_campaign(self._connection, campaign, fault)
        return fault is not None

    def _hold_if_broken(self, edition_id: str) -> bool:
        is_broken = settling.hold_if_broken(self._connection, edition_id)
        if is_broken:
            self.counts.held.append(edition_id)
        return is_broken

    def _take_tokens(self, wanted: int, handing: Handing) -> bool:
        """Wait until as many mails may leave; False where that takes too long."""
        if self._transport.is_idempotent:
            return True
        while wanted > 0:
            granted, seconds = rate.take(
                self._connection, self._transport.name, wanted, self._delivery.per_second
            )
            wanted -= granted
            if granted == 0:
                handing.step()
                time.sleep(min(seconds, 0.2))
            if self.is_late:
                return False
        return True


@contextmanager
def _living(connection: psycopg.Connection) -> Iterator[int]:
    """A number that others can see to be this process's for as long as its connection lasts."""
    number = secrets.randbelow(2**31)
    connection.execute("select pg_advisory_lock(%s, %s)", [SENDER_LOCK, number])
    # A claim that was committed must be there after any crash, whatever the server's own setting is.
    connection.execute("set synchronous_commit = on")
    try:
        yield number
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s, %s)", [SENDER_LOCK, number])
