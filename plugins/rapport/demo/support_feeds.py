"""The helpdesk's exports: versions of tickets as CSV in local times, and their events as JSON lines."""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd

from rapport.demo.chance import Numbers, texts, within
from rapport.demo.dirt import Breakages, typed_phones, with_broken_rows
from rapport.demo.orders import Orders
from rapport.demo.people import People
from rapport.demo.seasons import Calendar, day_month_year, iso
from rapport.demo.tickets import (
    AGENTS,
    ASSIGNED,
    CATEGORIES,
    CHANNELS,
    CLOSED,
    NEW,
    RATED,
    REOPENED,
    REPLIED,
    SOLVED,
    SOLVED_AGAIN,
    Tickets,
)
from rapport.demo.truth import FeedCounts, Sightings
from rapport.demo.writing import csv

_STATES = texts(
    ["New", "Active", "Awaiting customer", "Resolved", "Active", "Resolved", "Resolved", "Closed"]
)
_BROKEN_VERSIONS: Breakages = (
    ("ident", "?"),
    ("opened", "45/13/2025 10:00:00"),
    ("changed", "?"),
    ("reopened", "once"),
)
_BROKEN_EVENTS: Breakages = (("at", "31.02.2026"), ("what", "mystery"), ("ticket", None))
# What the helpdesk logs at each stage: stage, kind, status, author, text.
_LOG: tuple[tuple[int, str, str | None, str, str | None], ...] = (
    (NEW, "status", "new", "system", None),
    (NEW, "comment", None, "customer", "opening"),
    (ASSIGNED, "assignment", None, "system", None),
    (ASSIGNED, "status", "open", "system", None),
    (REPLIED, "comment", None, "agent", "reply"),
    (REPLIED, "status", "pending", "agent", None),
    (SOLVED, "status", "solved", "agent", None),
    (REOPENED, "comment", None, "customer", "again"),
    (REOPENED, "status", "open", "system", None),
    (SOLVED_AGAIN, "comment", None, "agent", "second reply"),
    (SOLVED_AGAIN, "status", "solved", "agent", None),
    (RATED, "rating", None, "customer", None),
    (CLOSED, "status", "closed", "system", None),
)
_BODIES = {
    "opening": (
        "My parcel has not arrived, the tracking has not moved for days.",
        "One piece was broken when I opened the box. Photos are attached.",
        "You sent me something else than I ordered.",
        "I would like to send part of it back. How do I get a label?",
        "Does this also fit an induction hob, and is it safe for the dishwasher?",
        "The invoice lacks our VAT number. Could you correct it?",
    ),
    "reply": (
        "I am sorry about the wait. I have asked the carrier and will get back to you tomorrow.",
        "I am sorry. A replacement leaves today; you need not send anything back.",
        "That was our mistake. The right article is on its way, with a label for the return.",
        "Of course. Here is your label; we refund you as soon as the parcel is back.",
        "Yes to both. Do write again if anything else is unclear.",
        "Here is the corrected invoice.",
    ),
    "again": ("This is still not settled.",),
    "second reply": ("I have taken it into my own hands and refunded the delivery.",),
}


def version_file(
    rng: np.random.Generator,
    tickets: Tickets,
    orders: Orders,
    people: People,
    counts: FeedCounts,
    sightings: Sightings,
) -> Iterator[tuple[str, bytes]]:
    """Each ticket as it was after each of its stages, by time; `?` stands for what is not known yet."""
    ticket, stage = np.nonzero(tickets.happened)
    version = within(tickets.happened.sum(axis=1)) + 1
    changed = tickets.times[ticket, stage]
    by_time = np.lexsort((stage, ticket, changed))
    ticket, stage, version, changed = (values[by_time] for values in (ticket, stage, version, changed))
    came_back = tickets.happened[ticket, REOPENED]
    is_rated = (stage >= RATED) & tickets.happened[ticket, RATED]
    is_solved = (stage >= SOLVED) & (stage != REOPENED)
    solved = tickets.times[ticket, np.where(came_back & (stage >= SOLVED_AGAIN), SOLVED_AGAIN, SOLVED)]
    person = orders.person[tickets.order]
    by_phone = tickets.channel == CHANNELS.index("phone")
    other = people.other_email[person]
    email = np.where((other != "") & (rng.random(len(tickets)) < 0.15), other, people.email[person])
    phone = np.where(by_phone, typed_phones(rng, people, person), "?")
    sightings.saw("email", person, email)
    sightings.saw("phone", person, np.where(by_phone, people.phones[0, person], ""))
    rows = pd.DataFrame(
        {
            "ident": tickets.id[ticket],
            "version": version,
            "opened": day_month_year(tickets.times[:, NEW])[ticket],
            "changed": day_month_year(changed),
            "state": _STATES[stage],
            "subject": tickets.subject[ticket],
            "channel": texts(CHANNELS)[tickets.channel[ticket]],
            "priority": np.where(tickets.is_urgent[ticket], "high", "normal"),
            "category": texts(CATEGORIES)[tickets.category[ticket]],
            "agent": np.where(stage >= ASSIGNED, texts(AGENTS)[tickets.agent[ticket]], "?"),
            "reopened": texts(((stage >= REOPENED) & came_back).astype(np.int64).astype(str)),
            "first_reply": _known(day_month_year(tickets.times[:, REPLIED])[ticket], stage >= REPLIED),
            "solved": _known(day_month_year(solved), is_solved),
            "stars": _known(texts(tickets.score.astype(str))[ticket], is_rated),
            "email": email[ticket],
            "phone": phone[ticket],
            "country": people.country_texts("code")[person][ticket],
        }
    )
    mixed = with_broken_rows(rng, rows, _BROKEN_VERSIONS)
    counts.broken, counts.rows, counts.files = len(mixed) - len(rows), len(mixed), 1
    yield "ticket_versions.csv", csv(mixed)


def event_file(
    rng: np.random.Generator, tickets: Tickets, calendar: Calendar, counts: FeedCounts
) -> Iterator[tuple[str, bytes]]:
    """Everything that happened to a ticket, by time, numbered within the ticket."""
    entry, ticket = np.nonzero(tickets.happened[:, [stage for stage, *_ in _LOG]].T)
    stage = np.array([stage for stage, *_ in _LOG])[entry]
    by_ticket = np.lexsort((entry, ticket))
    entry, ticket, stage = entry[by_ticket], ticket[by_ticket], stage[by_ticket]
    number = within(np.bincount(ticket, minlength=len(tickets))) + 1
    at = tickets.times[ticket, stage]
    rows = pd.DataFrame(
        {
            "ticket": tickets.id[ticket],
            "number": number,
            "at": iso(calendar.to_utc(at)) + "Z",
            "what": texts([kind for _, kind, *_ in _LOG])[entry],
            "status": texts([status for _, _, status, *_ in _LOG])[entry],
            "by": texts([author for *_, author, _ in _LOG])[entry],
            "public": texts([kind in ("comment", "rating") for _, kind, *_ in _LOG])[entry],
            "text": _bodies(entry, tickets.category[ticket]),
            "stars": _stars(entry, tickets.score[ticket]),
        },
        dtype=object,
    )
    rows = rows.iloc[np.lexsort((number, ticket, at))].reset_index(drop=True)
    mixed = with_broken_rows(rng, rows, _BROKEN_EVENTS)
    counts.broken, counts.rows, counts.files = len(mixed) - len(rows), len(mixed), 1
    columns = list(mixed.columns)
    written = [
        json.dumps(dict(zip(columns, values, strict=True)), ensure_ascii=False, separators=(",", ":"))
        for values in zip(*(mixed[column].tolist() for column in columns), strict=True)
    ]
    yield "ticket_events.jsonl", ("\n".join(written) + "\n").encode()


def _known(values: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    return np.where(is_known, values, "?")


def _bodies(entry: Numbers, category: Numbers) -> np.ndarray:
    """The text of each comment, by what the ticket is about; None for everything else."""
    table = np.full((len(_LOG), len(CATEGORIES)), None, dtype=object)
    for position, (*_, text) in enumerate(_LOG):
        if text is not None:
            table[position] = [_BODIES[text][kind % len(_BODIES[text])] for kind in range(len(CATEGORIES))]
    bodies: np.ndarray = table[entry, category]
    return bodies


def _stars(entry: Numbers, score: Numbers) -> np.ndarray:
    is_rating = np.array([kind == "rating" for _, kind, *_ in _LOG])[entry]
    return np.where(is_rating, texts(score.astype(str)), texts([None] * len(entry)))
