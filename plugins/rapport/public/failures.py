"""How often one client may fail. Who shows a good token or signature is never counted and never refused."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

FAILURES = 30
PERIOD = 60.0  # seconds
CLIENTS = 10_000


class FailureLimit:
    """At most `FAILURES` a client in a period; knows the last `CLIENTS` clients that failed, and no more."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._clients: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def is_exceeded_by(self, client: str | None) -> bool:
        """Note a failure of the client; whether that was one too many."""
        now = self._clock()
        name = _network(client)
        begun, count = self._clients.pop(name, (now, 0))
        if now - begun >= PERIOD:
            begun, count = now, 0
        self._clients[name] = (begun, count + 1)
        if len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        return count >= FAILURES

    def __len__(self) -> int:
        return len(self._clients)


def _network(client: str | None) -> str:
    """The client as it is counted: of an IPv6 address the /64, since one machine has all of that."""
    try:
        address = ipaddress.ip_address(client or "")
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
