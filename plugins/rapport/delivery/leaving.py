"""Whether a request may still leave: looked at just before it is made, and again once its connection stands.

A process may stand still at any instant, for hours: while it builds the request, and while it connects.
"""

import threading
import time
from collections.abc import Sequence

import psycopg

from rapport import warehouse
from rapport.errors import WarehouseUnavailable

FRESH = "60 seconds"  # how old a claim may be when its request leaves
STALLED = 1.0  # seconds after which a look is too old to let bytes go out

# Of the edition in question: it is being sent, and nobody has paused its campaign or everything.
GOES_ON = """
    editions.state = 'sending'
    and not exists (
        select from activation.pauses
        where
            pauses.resumed_at is null
            and (pauses.campaign is null or pauses.campaign = editions.campaign)
    )
"""

_MAY_LEAVE = f"""
    attempts.attempt_id = any(%(attempts)s)
    and attempts.ended_at is null
    and attempts.claimed_at > clock_timestamp() - %(fresh)s::interval
    and attempts.edition_id = editions.edition_id
    and {GOES_ON}
"""


def last_look(connection: psycopg.Connection, attempt_ids: Sequence[int]) -> set[int]:
    """Just before the requests are made: note that they leave, for those that still may; the others must not.

    A claim that is too old, because this process or its machine stood still, is not followed; nor is one
    whose campaign was paused or held meanwhile, or that somebody else has given back.
    """
    rows = connection.execute(
        f"""
        update activation.attempts set requested_at = clock_timestamp()
        from activation.editions
        where attempts.requested_at is null and {_MAY_LEAVE}
        returning attempts.attempt_id
        """,
        {"attempts": list(attempt_ids), "fresh": FRESH},
    )
    return {int(row[0]) for row in rows}


class Watch:
    """Looks again for the threads that hand requests over; its connection is made when it first has to."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def may_leave(self, attempt_id: int, looked_at: float) -> bool:
        """Whether the bytes of the attempt may go out now, where they might at `looked_at` (of `moment`)."""
        while moment() - looked_at > STALLED:
            looked_at = moment()
            if not self._looks_well(attempt_id):
                return False
        return True

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()

    def _looks_well(self, attempt_id: int) -> bool:
        try:
            with self._lock:
                if self._connection is None or self._connection.closed:
                    self._connection = warehouse.connect(self._url, autocommit=True)
            row = self._connection.execute(
                f"select exists (select from activation.attempts, activation.editions where {_MAY_LEAVE})",
                {"attempts": [attempt_id], "fresh": FRESH},
            ).fetchone()
        except (psycopg.Error, WarehouseUnavailable):
            return False  # nobody can say whether it is paused
        return row is not None and bool(row[0])


def moment() -> float:
    """Seconds that go on while this process, or its machine, stands still."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
