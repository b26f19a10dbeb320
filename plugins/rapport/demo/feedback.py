"""What people say when asked (NPS, CSAT, CES), what the CRM knows of them, and what they agreed to."""

from dataclasses import dataclass

import numpy as np

from rapport.demo.chance import Flags, Numbers, Texts, pick, texts
from rapport.demo.orders import Orders
from rapport.demo.people import NEVER, SUBSCRIBER, People
from rapport.demo.seasons import DAY, HOUR, MINUTE, Calendar, daytime
from rapport.demo.tickets import SOLVED, Tickets

_WORDS = {
    True: (
        "Great coffee, quick delivery.",
        "Everything as described.",
        "Lovely parcel.",
        "Will order again.",
    ),
    False: ("Came too late.", "Two cups were broken.", "Nobody answered for days.", "Not what I ordered."),
}


@dataclass
class Answers:
    """One position an answer, by time. `responded` is in seconds of the shop's clock."""

    person: Numbers
    responded: Numbers
    metric: Texts
    score: Numbers
    comment: Texts
    about: Texts


@dataclass
class Decisions:
    """One position a decision about mail; `confirmed` and `expires` are NEVER where there is none."""

    person: Numbers
    decided: Numbers
    channel: Texts
    topic: Texts
    is_granted: Flags
    basis: Texts
    confirmed: Numbers
    expires: Numbers


def answers(rng: np.random.Generator, orders: Orders, tickets: Tickets, calendar: Calendar) -> Answers:
    """NPS and CSAT after some deliveries, CES after some solved tickets; bad deliveries show in all three."""
    known = ~orders.is_nameless & (orders.cancelled == NEVER)
    nps = np.flatnonzero(known & (rng.random(len(orders)) < 0.10))
    csat = np.flatnonzero(known & (rng.random(len(orders)) < 0.07))
    ces = np.flatnonzero(tickets.happened[:, SOLVED] & (rng.random(len(tickets)) < 0.25))
    bad_nps, bad_csat = orders.went_badly[nps], orders.went_badly[csat]
    bad_ces = orders.went_badly[tickets.order[ces]]
    nps_score = np.where(
        bad_nps,
        pick(rng, (10, 8, 9, 10, 10, 12, 10, 9, 6, 3, 2), len(nps)),
        pick(rng, (0.5, 0.5, 0.5, 1, 1, 3, 4, 10, 22, 28, 30), len(nps)),
    )
    csat_score = 1 + np.where(
        bad_csat, pick(rng, (30, 28, 20, 14, 8), len(csat)), pick(rng, (2, 3, 12, 38, 45), len(csat))
    )
    ces_score = 1 + np.where(
        bad_ces,
        pick(rng, (18, 20, 18, 16, 12, 10, 6), len(ces)),
        pick(rng, (2, 3, 6, 12, 22, 30, 25), len(ces)),
    )
    metric = np.repeat(texts(["nps", "csat", "ces"]), [len(nps), len(csat), len(ces)])
    score = np.concatenate([nps_score, csat_score, ces_score])
    is_good = score > np.repeat([6, 3, 4], [len(nps), len(csat), len(ces)])
    base = np.concatenate([orders.delivered[nps], orders.delivered[csat], tickets.times[ces, SOLVED]])
    responded = daytime(base + rng.integers(20 * HOUR, 8 * DAY, len(base)))
    words = rng.integers(0, 4, len(base))
    says = texts(_WORDS[True])[words], texts(_WORDS[False])[words]
    comment = np.where(rng.random(len(base)) < 0.35, np.where(is_good, says[0], says[1]), "")
    about = np.concatenate([orders.id[nps], orders.id[csat], tickets.id[ces]])
    person = np.concatenate([orders.person[nps], orders.person[csat], orders.person[tickets.order[ces]]])
    by_time = np.lexsort((about, metric.astype(str), responded))
    by_time = by_time[responded[by_time] < calendar.end]
    return Answers(*(values[by_time] for values in (person, responded, metric, score, comment, about)))


def decisions(rng: np.random.Generator, people: People, calendar: Calendar) -> Decisions:
    """Who may be written to: asked for when people come in, mostly confirmed, sometimes taken back."""
    size = len(people)
    asked = people.joined + 2 * MINUTE
    subscribes = (people.habit == SUBSCRIBER) | (rng.random(size) < 0.74)
    confirms = rng.random(size) < 0.90
    confirmed = np.where(confirms, asked + rng.integers(1, 90, size) * MINUTE, NEVER)
    expires = np.where(rng.random(size) < 0.08, asked + 365 * DAY, NEVER)
    parts = [
        _decided(subscribes, asked, "email", "offers", "opt_in", confirmed=confirmed, expires=expires),
        _decided(
            subscribes & (rng.random(size) < 0.55), asked + 1, "email", "news", "opt_in", confirmed=confirmed
        ),
        _decided(people.habit != SUBSCRIBER, asked + 2, "email", "service", "contract", confirmed=asked + 2),
        _decided(
            subscribes & (rng.random(size) < 0.08), asked + 3, "sms", "offers", "opt_in", confirmed=asked + 3
        ),
    ]
    leaves = asked + rng.integers(3, 500, size) * DAY
    fate = rng.random(size)
    parts += [
        _decided(subscribes & (fate < 0.10), leaves, "email", "offers", "", is_granted=False),
        _decided(subscribes & (fate >= 0.10) & (fate < 0.12), leaves, "email", "all", "", is_granted=False),
        # Some come back: a grant that is confirmed after the withdrawal.
        _decided(
            subscribes & (fate < 0.02), leaves + 40 * DAY, "email", "offers", "opt_in",
            confirmed=leaves + 40 * DAY + HOUR,
        ),
    ]  # fmt: skip
    columns = [np.concatenate(values) for values in zip(*parts, strict=True)]
    decided, confirmed = columns[1], columns[6]
    columns[6] = np.where(confirmed < calendar.end, confirmed, NEVER)
    kept = np.flatnonzero(decided < calendar.end)
    by_time = kept[np.lexsort((columns[0][kept], decided[kept]))]
    return Decisions(*(column[by_time] for column in columns))


def _decided(
    who: Flags,
    when: Numbers,
    channel: str,
    topic: str,
    basis: str,
    *,
    is_granted: bool = True,
    confirmed: Numbers | None = None,
    expires: Numbers | None = None,
) -> tuple[np.ndarray, ...]:
    person = np.flatnonzero(who)
    never = np.full(len(who), NEVER)
    size = len(person)
    return (
        person,
        daytime(when[person]),
        texts([channel] * size),
        texts([topic] * size),
        np.full(size, is_granted),
        texts([basis] * size),
        (never if confirmed is None else confirmed)[person],
        (never if expires is None else expires)[person],
    )
