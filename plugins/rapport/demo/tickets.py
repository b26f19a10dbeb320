"""Support tickets: they follow bad deliveries, get replies, are solved, come back, are rated and closed."""

from dataclasses import dataclass

import numpy as np

from rapport.demo.chance import Flags, Numbers, Texts, pick, texts
from rapport.demo.orders import Orders
from rapport.demo.seasons import DAY, HOUR, MINUTE, Calendar, daytime

# What can happen to a ticket, in this order. NEW always does.
STAGES = ("new", "assigned", "replied", "solved", "reopened", "solved_again", "rated", "closed")
NEW, ASSIGNED, REPLIED, SOLVED, REOPENED, SOLVED_AGAIN, RATED, CLOSED = range(8)

CATEGORIES = ("delivery", "damaged", "wrong_item", "return", "product_question", "billing")
CHANNELS = ("email", "chat", "phone", "web form")
AGENTS = ("Ines", "Tarek", "Marit", "Oskar", "Ludmila", "Ben")
_SUBJECTS = {
    "delivery": "Where is my order {order}?",
    "damaged": "Order {order} arrived broken",
    "wrong_item": "Wrong article in order {order}",
    "return": "Returning part of order {order}",
    "product_question": "Question about an article in order {order}",
    "billing": "Invoice for order {order}",
}


@dataclass
class Tickets:
    """One position a ticket, by opening; `times` (tickets, stages) are seconds of the shop's clock.

    `happened` (tickets, stages) marks the stages that exist and lie before the calendar's end. `score` is
    the CSAT, 1 to 5, of the rated.
    """

    id: Texts
    order: Numbers
    category: Numbers
    channel: Numbers
    agent: Numbers
    is_urgent: Flags
    score: Numbers
    times: Numbers
    happened: Flags
    subject: Texts

    def __len__(self) -> int:
        return len(self.order)


def tickets(rng: np.random.Generator, orders: Orders, calendar: Calendar) -> Tickets:
    """Tickets of more than half of the bad deliveries, and questions about a few other orders."""
    bad = orders.went_badly
    asks = (rng.random(len(orders)) < np.where(bad, 0.58, 0.02)) & ~orders.is_nameless
    order = np.flatnonzero(asks)
    opened = daytime(orders.delivered[order] + rng.integers(1, 3 * 24, len(order)) * HOUR)
    order, opened = order[opened < calendar.end], opened[opened < calendar.end]
    by_time = np.lexsort((order, opened))
    order, opened = order[by_time], opened[by_time]
    bad, size = bad[order], len(order)

    category = np.where(bad, pick(rng, (0.45, 0.35, 0.20), size), 3 + pick(rng, (0.45, 0.35, 0.20), size))
    comes_back = rng.random(size) < np.where(bad, 0.24, 0.06)
    rated = rng.random(size) < 0.45
    happened = np.ones((size, len(STAGES)), dtype=bool)
    happened[:, REOPENED] = happened[:, SOLVED_AGAIN] = comes_back
    happened[:, RATED] = rated
    times = _times(rng, opened, comes_back)
    never_answered = rng.random(size) < 0.01
    happened[never_answered, REPLIED:] = False
    happened &= times < calendar.end
    happy = pick(rng, (0.04, 0.06, 0.15, 0.35, 0.40), size)
    unhappy = pick(rng, (0.34, 0.26, 0.18, 0.14, 0.08), size)
    return Tickets(
        id=texts([f"T-{50_001 + number}" for number in range(size)]),
        order=order,
        category=category,
        channel=pick(rng, (0.52, 0.2, 0.1, 0.18), size),
        agent=rng.integers(0, len(AGENTS), size),
        is_urgent=rng.random(size) < np.where(bad, 0.3, 0.05),
        score=1 + np.where(bad | comes_back, unhappy, happy),
        times=times,
        happened=happened,
        subject=texts(
            [
                _SUBJECTS[CATEGORIES[kind]].format(order=number)
                for kind, number in zip(category.tolist(), orders.id[order], strict=True)
            ]
        ),
    )


def _times(rng: np.random.Generator, opened: Numbers, comes_back: Flags) -> Numbers:
    """When each stage is reached; stages follow one another by minutes to days, in working hours."""
    size = len(opened)
    waits = (
        rng.integers(5 * MINUTE, 2 * HOUR, size),
        (rng.exponential(5.0, size) * HOUR).astype(np.int64),
        (rng.exponential(26.0, size) * HOUR).astype(np.int64),
        np.where(comes_back, rng.integers(6 * HOUR, 4 * DAY, size), 0),
        np.where(comes_back, (rng.exponential(30.0, size) * HOUR).astype(np.int64), 0),
        rng.integers(HOUR, 2 * DAY, size),
        rng.integers(5 * DAY, 8 * DAY, size),
    )
    times = [opened]
    for wait in waits:
        times.append(np.maximum(daytime(times[-1] + wait), times[-1] + MINUTE))
    return np.stack(times, axis=1)
