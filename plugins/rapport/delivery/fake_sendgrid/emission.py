"""Which events a fake is to send: for whom among the accepted, what happens to them, and in which
disorder."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rapport.delivery.fake_sendgrid.behaviour import Behaviour, happenings
from rapport.delivery.fake_sendgrid.disorder import Disorder, disordered
from rapport.delivery.fake_sendgrid.events import Event, Happening, event
from rapport.delivery.fake_sendgrid.log import Accepted, accepted_of, asked_of, lines
from rapport.delivery.fake_sendgrid.received import ReceivedMail, received_mails

# A recipient, what happens, and the event that says so.
Made = tuple[Accepted, Happening, Event]


@dataclass(frozen=True)
class Emission:
    """Events to send `to` a webhook at once: `happenings` of each recipient, or what `behaviour` makes of
    each.

    recipients: a regular expression found in the addresses that are meant; message_ids: only these messages;
    None means all. tries: how often a batch is posted until it is taken.
    """

    to: str
    happenings: list[Happening] = field(default_factory=list)
    behaviour: Behaviour | None = None
    recipients: str | None = None
    message_ids: list[str] | None = None
    disorder: Disorder = field(default_factory=Disorder)
    tries: int = 1
    seed: int = 1


def emission_of(order: dict[str, Any]) -> Emission:
    """The emission that JSON describes.

    Raises:
        TypeError: by a key that there is not.
    """
    behaviour = order.get("behaviour")
    return Emission(
        **{
            **order,
            "happenings": [Happening(**each) for each in order.get("happenings", ())],
            "behaviour": Behaviour(**behaviour) if behaviour is not None else None,
            "disorder": Disorder(**order.get("disorder", {})),
        }
    )


def made(emission: Emission, log: Path, drop_reason: Callable[[str], str | None]) -> list[Made]:
    """The events in order of time; each time is that of the mail's acceptance and what passed since."""
    chance = random.Random(emission.seed)
    found: list[Made] = []
    for accepted, mail in _meant(emission, log):
        happening = list(emission.happenings)
        if emission.behaviour is not None and mail is not None:
            happening += happenings(mail, emission.behaviour, drop_reason(accepted.email), chance)
        found += [
            (accepted, each, event(accepted, each, accepted.at + each.after, chance)) for each in happening
        ]
    return sorted(found, key=lambda each: each[0].at + each[1].after)


def arriving(emission: Emission, events: list[Made]) -> list[Event]:
    """The events as the webhook gets them."""
    chance = random.Random(emission.seed)
    return disordered(
        ((event, tuple(accepted.custom_args)) for accepted, _, event in events), emission.disorder, chance
    )


def _meant(emission: Emission, log: Path) -> Iterator[tuple[Accepted, ReceivedMail | None]]:
    expression = re.compile(emission.recipients or "")
    ids = set(emission.message_ids) if emission.message_ids is not None else None
    for accepted, mail in _accepted(log):
        if expression.search(accepted.email) and (ids is None or accepted.message_id in ids):
            yield accepted, mail


def _accepted(log: Path) -> Iterator[tuple[Accepted, ReceivedMail | None]]:
    """Every accepted recipient, with the mail where the log has bodies."""
    waiting: list[Accepted] = []
    for line in lines(log):
        if line["kind"] == "accepted":
            waiting.append(accepted_of(line))
        elif line["kind"] == "asked" and waiting:
            asked = asked_of(line)
            mails: list[ReceivedMail | None] = [None] * len(waiting)
            if asked.body is not None and asked.request_id is not None:
                mails = list(received_mails(asked.body, asked.request_id, asked.at))
            yield from zip(waiting, mails, strict=True)
            waiting = []
