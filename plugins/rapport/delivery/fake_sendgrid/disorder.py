"""What happens to events on their way: copies, another order, missing and unknown fields."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rapport.delivery.fake_sendgrid.events import Event, new_event_id


@dataclass(frozen=True)
class Disorder:
    """Shares of events, from 0 to 1.

    copied: sent again, up to three times; half of the copies have another sg_event_id, as SendGrid's retries
    do.
    shuffled: events in any order instead of that of their times. without_sg_message_id, without_custom_args:
    events that lack them. unknown_fields: events with fields that no page mentions. category_as_text: of
    those with one category, how many have it as text instead of a list. batch: events a request at most.
    delayed: seconds that an event is late at most, where events are posted by and by.
    """

    copied: float = 0
    shuffled: bool = False
    without_sg_message_id: float = 0
    without_custom_args: float = 0
    unknown_fields: float = 0
    category_as_text: float = 0
    batch: int = 200
    delayed: float = 0


def disordered(
    events: Iterable[tuple[Event, Sequence[str]]], disorder: Disorder, chance: random.Random
) -> list[Event]:
    """The events as they arrive. Each comes with the names of its custom arguments."""
    found = [
        copy
        for event, custom_args in events
        for copy in _copies(_changed(event, custom_args, disorder, chance), disorder, chance)
    ]
    if disorder.shuffled:
        chance.shuffle(found)
    return found


def batches(events: Sequence[Event], size: int) -> Iterator[Sequence[Event]]:
    """In requests of at most so many."""
    for start in range(0, len(events), size):
        yield events[start : start + size]


def _copies(event: Event, disorder: Disorder, chance: random.Random) -> Iterator[Event]:
    yield event
    if chance.random() < disorder.copied:
        for _ in range(chance.randint(1, 3)):
            is_retry = chance.random() < 0.5
            yield {**event, "sg_event_id": new_event_id(chance)} if is_retry else event


def _changed(event: Event, custom_args: Sequence[str], disorder: Disorder, chance: random.Random) -> Event:
    changed = dict(event)
    if chance.random() < disorder.without_sg_message_id:
        del changed["sg_message_id"], changed["smtp-id"]
    if chance.random() < disorder.without_custom_args:
        for name in custom_args:
            del changed[name]
    if chance.random() < disorder.unknown_fields:
        changed |= {"sg_new_in_2027": {"nested": [1, None, "ä"]}, "mc_pod_id": None}
    if len(event.get("category", ())) == 1 and chance.random() < disorder.category_as_text:
        changed["category"] = event["category"][0]
    return changed
