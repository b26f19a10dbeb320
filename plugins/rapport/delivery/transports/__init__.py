"""Ways out. A transport takes mails and returns when they are safely handed over."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from rapport.delivery.configuration import Delivery
from rapport.delivery.mime import Mail
from rapport.errors import ConfigurationError
from rapport.settings import Settings


class Transport(Protocol):
    """`is_idempotent`: the same mail handed over twice is one mail, and `holds` knows which it has."""

    name: str
    is_idempotent: bool

    def holds(self, message_id: UUID) -> bool:
        """Whether this mail was handed over before; asked of idempotent transports only."""
        ...

    def send(self, mails: Sequence[Mail]) -> list[UUID]:
        """Hand the mails over; returns those that cannot be written for a fault of their own."""
        ...


def open_transport(delivery: Delivery, settings: Settings) -> Transport:
    """The transport that config/delivery.yml names."""
    from rapport.delivery.transports.local import LocalMailbox

    if delivery.transport != "local":
        raise ConfigurationError("config/delivery.yml: transport: only the local mailbox can send yet")
    return LocalMailbox(settings.mailbox)
