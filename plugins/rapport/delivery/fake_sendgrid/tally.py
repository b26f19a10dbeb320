"""How much was accepted, in eight bytes a recipient: enough to see that a million people got one mail
each."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """Since the log began. `requests` and `bytes` are of accepted mails; `repeated` is how many recipients
    had a message id that an earlier one had (or, without any, an address)."""

    requests: int
    recipients: int
    bytes: int
    repeated: int


class Counter:
    """Counts accepted requests; remembers each message id by its hash."""

    def __init__(self) -> None:
        self._requests = self._bytes = 0
        self._hashes = array("q")

    def add(self, size: int, ids: Iterable[str]) -> None:
        """A request of `size` bytes for the messages `ids`."""
        self._requests += 1
        self._bytes += size
        self._hashes.extend(map(hash, ids))

    def tally(self) -> Tally:
        recipients = len(self._hashes)
        return Tally(self._requests, recipients, self._bytes, recipients - len(set(self._hashes)))
