"""Ways out. A transport says how mails travel together, makes a request of them, hands it over and says
how that went; it writes nothing into the warehouse.

The loop around it: render a chunk, `parcels`; claim it in one transaction that also writes an attempt for
each parcel; a last look; `request(parcel, attempt_id)`; `hand_over(request, may_leave)`, which looks again
once it is connected; settle by the answer. A parcel that is divided goes through `request` again, each part
under an attempt of its own; one that lost some of its mails at the claim goes through `parcels` again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from rapport.delivery.configuration import Delivery
from rapport.delivery.mime import Mail
from rapport.settings import Settings

# accepted   handed over, but for the places in `rejected`
# rejected   nothing was handed over; the places in `rejected` never will be, the others go again
# returned   nothing was handed over, and the mails are not to blame; with `hold` the campaign stops
# divide     nothing was handed over, and it is not said which mail is to blame, or there are too many
# wait       nothing was handed over; not before `until`
# uncertain  nobody knows
AnswerKind = Literal["accepted", "rejected", "returned", "divide", "wait", "uncertain"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is handed over at once: `body` is the mails of `message_ids`, in their order."""

    message_ids: list[UUID]
    body: bytes | list[Mail]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    Args:
        rejected: places in the request's message_ids.
        faulty: places of mails that cannot be written for a fault of their own; they were not handed over.
        until: of `wait`, when to try again, by the wall clock.
        hold: why the campaign must stop until a person has looked, in the words of editions.state_reason; of
            `divide`, the reason if both halves end alike.
        status: the answer's code, where there is one.
        provider_id: what the other side calls the request.
        detail: what it said, without addresses.
    """

    kind: AnswerKind
    rejected: list[int] = field(default_factory=list)
    faulty: list[int] = field(default_factory=list)
    until: datetime | None = None
    hold: str | None = None
    status: int | None = None
    provider_id: str | None = None
    detail: str | None = None


MayLeave = Callable[[], bool]
UNTRUSTED = Answer("returned", hold="the server's certificate is none that this machine trusts")
WITHHELD = Answer("returned", detail="paused, held or too late just before the request")


def always() -> bool:
    """Of a request that nothing can stop any more: that of a test send or a probe."""
    return True


class Transport(Protocol):
    """A way out.

    Args:
        is_idempotent: the same mail handed over twice is one mail, so that what a dead sender left is simply
            handed over again.
        has_events: somebody reports later what became of a mail, so that what is uncertain can become known.
        shapes: mails are to be taken apart into shells and values (`MailTemplate.shape`).
        chunk: how many mails are rendered and claimed at once.
        in_flight: how many requests may be under way at once; `hand_over` is then called by as many threads.
    """

    name: str
    is_idempotent: bool
    has_events: bool
    shapes: bool
    chunk: int
    in_flight: int

    def parcels(self, mails: Sequence[Mail]) -> list[list[Mail]]:
        """The mails as they travel together; every mail is in one parcel, and no address twice in one."""
        ...

    def request(self, parcel: Sequence[Mail], attempt_id: int) -> Request:
        """The request that hands the parcel over, of any size from one mail up."""
        ...

    def hand_over(self, request: Request, may_leave: MayLeave = always) -> Answer:
        """Hand it over, once, and wait for the answer. Never raises for what the other side does.

        Args:
            may_leave: asked when all is ready, the connection too, and only the mails' bytes are still to go;
                where it says no they do not, and the answer is WITHHELD.
        """
        ...

    def holds(self, message_id: UUID) -> bool:
        """Whether this mail was handed over before; asked of idempotent transports only."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


# (is_idempotent, has_events) of the transports that attempts name.
KINDS = {"local": (True, False), "smtp": (False, False), "sendgrid": (False, True)}
REAL_TIME = timedelta(hours=24)
UNREACHABLE = timedelta(seconds=30)


def soon() -> datetime:
    """When to try again to reach a server that could not be reached."""
    return datetime.now(UTC) + UNREACHABLE


def is_real(delivery: Delivery, now: datetime) -> bool:
    """Whether mails of this moment leave this machine; those of any time that is not the present never do."""
    return delivery.transport != "local" and abs(datetime.now(UTC) - now) <= REAL_TIME


def open_transport(delivery: Delivery, settings: Settings, now: datetime) -> Transport:
    """The transport that config/delivery.yml names; the local mailbox for any time that is not the present.

    Raises:
        ConfigurationError: its key or password is missing.
    """
    from rapport.delivery.transports.local import LocalMailbox

    if not is_real(delivery, now):
        return LocalMailbox(settings.mailbox)
    if delivery.transport == "smtp":
        from rapport.delivery.transports.smtp import SmtpServer

        return SmtpServer(delivery.smtp, settings)
    from rapport.delivery.transports.sendgrid import SendGridTransport

    return SendGridTransport(delivery.sendgrid, settings)
