"""Posts events to a webhook, signed, as SendGrid does: at once when told, or by and by in a thread of its
own."""

import heapq
import logging
import random
import time
from collections.abc import Callable, Sequence
from itertools import count
from threading import Condition, Thread
from typing import Any

import orjson
import urllib3

from rapport.delivery.fake_sendgrid.disorder import Disorder, batches, disordered
from rapport.delivery.fake_sendgrid.events import Event, new_event_id
from rapport.delivery.fake_sendgrid.signing import SigningKey

TIMEOUT = 10.0
GIVES_UP_AFTER = 24 * 3600
LONGEST_PAUSE = 600.0

_log = logging.getLogger(__name__)


class Webhook:
    """Where events go. Every post is handed to `note`."""

    def __init__(self, url: str, key: SigningKey, note: Callable[[dict[str, Any]], None]) -> None:
        self._url, self._key, self._note = url, key, note
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT, maxsize=4)

    def post(self, events: Sequence[Event]) -> int | None:
        """The answer's status, None where there was none."""
        now = time.time()
        body = orjson.dumps(events) + b"\r\n"
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "SendGrid Event API"}
        headers |= self._key.headers(body, int(now))
        try:
            status = self._pool.request("POST", self._url, body=body, headers=headers).status
        except urllib3.exceptions.HTTPError:
            status = None
        self._note({"at": now, "to": self._url, "events": len(events), "status": status})
        return status

    def post_all(
        self, events: Sequence[Event], batch: int, tries: int, chance: random.Random
    ) -> list[int | None]:
        """Every batch, again until it is taken or was tried so often; the status of each post."""
        answers: list[int | None] = []
        for part in batches(events, batch):
            for _ in range(tries):
                answers.append(self.post(part))
                if is_taken(answers[-1]):
                    break
                part = renewed(part, chance)
        return answers

    def close(self) -> None:
        self._pool.clear()


def is_taken(status: int | None) -> bool:
    """SendGrid repeats whatever was not answered with 2xx."""
    return status is not None and 200 <= status < 300


def renewed(events: Sequence[Event], chance: random.Random) -> list[Event]:
    """The same events as a repetition has them: under other ids."""
    return [{**event, "sg_event_id": new_event_id(chance)} for event in events]


class Postman(Thread):
    """Posts events when they are due, those due together in one request; repeats for a day, pausing longer
    and longer."""

    def __init__(self, webhook: Webhook, disorder: Disorder, seed: int) -> None:
        super().__init__(name="postman", daemon=True)
        self._webhook, self._disorder = webhook, disorder
        self._chance = random.Random(seed)
        self._waiting: list[tuple[float, int, Event, Sequence[str]]] = []
        self._repeats: list[tuple[float, int, tuple[float, float], Sequence[Event]]] = []
        self._numbers = count()
        self._changed = Condition()

    def add(self, event: Event, custom_args: Sequence[str], due: float) -> None:
        """Have an event posted at a time in seconds since 1970."""
        with self._changed:
            due += self._chance.uniform(0, self._disorder.delayed)
            heapq.heappush(self._waiting, (due, next(self._numbers), event, custom_args))
            self._changed.notify()

    def forget(self) -> None:
        """Post nothing of what waits."""
        with self._changed:
            self._waiting.clear()
            self._repeats.clear()

    def run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(self._pause())
                fresh, repeats = self._due(time.time())
            for batch in batches(disordered(fresh, self._disorder, self._chance), self._disorder.batch):
                self._post(batch, time.time(), 1.0)
            for since, pause, batch in repeats:
                self._post(renewed(batch, self._chance), since, pause)

    def _pause(self) -> float | None:
        due = [heap[0][0] for heap in (self._waiting, self._repeats) if heap]
        # A little longer, so that events that are due together travel together.
        return max(0.0, min(due) - time.time()) + 0.2 if due else None

    def _due(
        self, now: float
    ) -> tuple[list[tuple[Event, Sequence[str]]], list[tuple[float, float, Sequence[Event]]]]:
        fresh: list[tuple[Event, Sequence[str]]] = []
        repeats: list[tuple[float, float, Sequence[Event]]] = []
        while self._waiting and self._waiting[0][0] <= now:
            _, _, event, custom_args = heapq.heappop(self._waiting)
            fresh.append((event, custom_args))
        while self._repeats and self._repeats[0][0] <= now:
            _, _, (since, pause), batch = heapq.heappop(self._repeats)
            repeats.append((since, pause, batch))
        return fresh, repeats

    def _post(self, batch: Sequence[Event], since: float, pause: float) -> None:
        if is_taken(self._webhook.post(batch)):
            return
        now = time.time()
        if now + pause - since > GIVES_UP_AFTER:
            _log.warning("gave up %s events: the webhook took none for a day", len(batch))
            return
        with self._changed:
            again = (now + pause, next(self._numbers), (since, min(pause * 2, LONGEST_PAUSE)), batch)
            heapq.heappush(self._repeats, again)
