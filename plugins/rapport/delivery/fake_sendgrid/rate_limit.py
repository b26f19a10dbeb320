"""SendGrid's rate limit as its headers tell it: so many requests in each window of a minute."""

WINDOW = 60


class RateLimit:
    """`limit` requests a minute; `is_enforced` says whether there is a 429 behind it."""

    def __init__(self, limit: int | None) -> None:
        self.is_enforced = limit is not None
        self._limit = 600 if limit is None else limit
        self._window = 0
        self._used = 0

    def take(self, now: float) -> tuple[bool, dict[str, str]]:
        """Whether this request is within the limit, and the headers that say how much is left."""
        window = int(now // WINDOW)
        if window != self._window:
            self._window, self._used = window, 0
        is_allowed = not self.is_enforced or self._used < self._limit
        self._used += is_allowed
        return is_allowed, {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(max(0, self._limit - self._used)),
            "X-RateLimit-Reset": str((window + 1) * WINDOW),
        }
