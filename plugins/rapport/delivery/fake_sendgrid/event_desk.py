"""Sends a fake's events: those that a test orders, and those of a rehearsal by themselves; and remembers on
which suppression list each puts its address."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rapport.delivery.fake_sendgrid.behaviour import Behaviour, happenings
from rapport.delivery.fake_sendgrid.disorder import Disorder
from rapport.delivery.fake_sendgrid.emission import Emission, arriving, made
from rapport.delivery.fake_sendgrid.events import LIST_OF, Event, Happening, event
from rapport.delivery.fake_sendgrid.http_server import Answer, json_answer
from rapport.delivery.fake_sendgrid.received import received_mails
from rapport.delivery.fake_sendgrid.signing import SigningKey
from rapport.delivery.fake_sendgrid.suppressions import Suppressions
from rapport.delivery.fake_sendgrid.webhook import Postman, Webhook


@dataclass(frozen=True)
class Rehearsal:
    """Events go to this webhook by themselves, as people behave like this and the network like that."""

    to: str
    behaviour: Behaviour = field(default_factory=Behaviour)
    disorder: Disorder = field(default_factory=Disorder)


class EventDesk:
    """`log` is the fake's, `note` writes a line into it."""

    def __init__(
        self,
        key: SigningKey,
        log: Path,
        note: Callable[[dict[str, Any]], None],
        suppressions: Suppressions,
        rehearsal: Rehearsal | None,
        seed: int,
    ) -> None:
        self._key, self._log, self._note, self._suppressions = key, log, note, suppressions
        self._rehearsal, self._chance = rehearsal, random.Random(seed)
        self._postman: Postman | None = None
        if rehearsal is not None:
            self._postman = Postman(Webhook(rehearsal.to, key, note), rehearsal.disorder, seed)
            self._postman.start()

    async def emit(self, emission: Emission) -> Answer:
        """Send what a test ordered; answers how many events in which requests were sent, and how each
        went."""
        events = made(emission, self._log, self._suppressions.drop_reason)
        for accepted, happening, found in events:
            self._suppress(accepted.email, happening, found)
        found_events = arriving(emission, events)
        webhook = Webhook(emission.to, self._key, self._note)
        answers = await asyncio.to_thread(
            webhook.post_all,
            found_events,
            emission.disorder.batch,
            emission.tries,
            random.Random(f"repeats {emission.seed}"),
        )
        webhook.close()
        return json_answer(200, {"events": len(events), "sent": len(found_events), "answers": answers})

    def rehearse(self, body: dict[str, Any], request_id: str, at: float) -> None:
        """Have the events of an accepted request sent by and by; without a rehearsal, none."""
        if self._rehearsal is None or self._postman is None:
            return
        for mail in received_mails(body, request_id, at):
            reason = self._suppressions.drop_reason(mail.email)
            for happening in happenings(mail, self._rehearsal.behaviour, reason, self._chance):
                due = at + happening.after
                found = event(mail.accepted, happening, due, self._chance)
                self._suppress(mail.email, happening, found)
                self._postman.add(found, tuple(mail.accepted.custom_args), due)

    def forget(self) -> None:
        """Send none of the events that wait."""
        if self._postman is not None:
            self._postman.forget()

    def _suppress(self, email: str, happening: Happening, event: Event) -> None:
        name = LIST_OF.get(happening.name)
        if name is not None:
            detail = {key: event[key] for key in ("reason", "status") if key in event}
            self._suppressions.add(name, email, int(event.get("timestamp", time.time())), **detail)
