"""The web shop's event log: JSON lines, a file a quarter, a few events late and a few delivered twice."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from rapport.demo.catalogue import Catalogue
from rapport.demo.chance import Flags, Numbers, Texts, texts
from rapport.demo.dirt import typed_emails
from rapport.demo.orders import Orders
from rapport.demo.people import People
from rapport.demo.seasons import Calendar, iso, months, quarter_name
from rapport.demo.truth import FeedCounts, Sightings
from rapport.demo.visits import (
    ADD_TO_CART,
    EVENT_NAMES,
    IDENTIFYING,
    NEWSLETTER_SIGNUP,
    PRODUCT_VIEW,
    PURCHASE,
    Events,
    Sessions,
)
from rapport.demo.writing import gzipped

_SHOP = "https://www.hof-und-bohne.example"
_PAGES = ("/", "/account", "/products/", "/cart", "/checkout", "/thank-you", "/newsletter")
# Where a session comes from: referrer, utm_source, utm_medium.
_ORIGINS: tuple[tuple[str | None, str | None, str | None], ...] = (
    (None, None, None),
    ("https://www.google.com/", None, None),
    ("https://www.google.com/", "google", "cpc"),
    ("https://www.instagram.com/", "instagram", "social"),
    (None, "newsletter", "email"),
    ("https://balkongarten.example/", "balkongarten", "partner"),
)
_AT_ONCE = 100_000
_BROKEN: tuple[dict[str, Any], ...] = ({"id": None}, {"at": "yesterday"}, {"event": None}, {"value": "much"})


def web_event_files(
    rng: np.random.Generator,
    events: Events,
    sessions: Sessions,
    devices: Texts,
    people: People,
    orders: Orders,
    catalogue: Catalogue,
    calendar: Calendar,
    counts: FeedCounts,
    sightings: Sightings,
) -> Iterator[tuple[str, bytes]]:
    """All events, by the quarter in which they were delivered."""
    person = sessions.person[events.session]
    is_known = np.isin(events.name, IDENTIFYING) & (person >= 0)
    email = _emails(rng, events, person, is_known, people)
    sightings.saw("email", person[is_known], email[is_known])
    sightings.saw("device", person[is_known], devices[sessions.device[events.session[is_known]]])
    typed = typed_emails(rng, email)

    size = len(events.name)
    quarters, delivered = np.unique(months(events.occurred) // 3, return_inverse=True)
    last = len(quarters) - 1
    late = rng.random(size) < 0.003
    delivered = np.minimum(delivered + late, last)
    twice = np.flatnonzero(rng.random(size) < 0.004)
    again = np.minimum(delivered[twice] + rng.integers(0, 2, len(twice)), last)
    counts.duplicates = len(twice)
    position = np.concatenate([np.arange(size), twice])
    delivered = np.concatenate([delivered, again])
    broken_in = rng.integers(0, last + 1, len(_BROKEN))
    for number, quarter in enumerate(quarters.tolist()):
        here = position[delivered == number]
        broken_at = {
            int(rng.integers(0, len(here))): _BROKEN[which] for which in np.flatnonzero(broken_in == number)
        }
        counts.files += 1
        counts.broken += len(broken_at)
        counts.rows += len(here) + len(broken_at)
        written = []
        for begin in range(0, len(here), _AT_ONCE):
            part = here[begin : begin + _AT_ONCE]
            lines = _lines(events, sessions, devices, typed, orders, catalogue, calendar, part)
            for place in sorted(broken_at.keys() & set(range(begin, begin + len(part))), reverse=True):
                broken = json.loads(lines[place - begin]) | broken_at[place]
                lines.insert(place - begin, json.dumps(broken, separators=(",", ":")))
            written.append(("\n".join(lines) + "\n").encode())
        yield f"web_events_{quarter_name(quarter)}.jsonl.gz", gzipped(b"".join(written))


def _emails(
    rng: np.random.Generator, events: Events, person: Numbers, is_known: Flags, people: People
) -> Texts:
    """The address given with each identifying click; people with a second one sometimes sign up with it."""
    other = people.other_email[person]
    uses_other = (other != "") & (events.name != NEWSLETTER_SIGNUP) & (rng.random(len(person)) < 0.2)
    given: Texts = np.where(is_known, np.where(uses_other, other, people.email[person]), "")
    return given


def _lines(
    events: Events,
    sessions: Sessions,
    devices: Texts,
    email: Texts,
    orders: Orders,
    catalogue: Catalogue,
    calendar: Calendar,
    chosen: Numbers,
) -> list[str]:
    """The chosen events as JSON. What repeats in them is made once: there may be millions."""
    name, product, session = events.name[chosen], events.product[chosen], events.session[chosen]
    order = np.where(name == PURCHASE, sessions.order[session], -1)
    has_order = order >= 0
    value = np.where(
        has_order, orders.total[order], np.where(name == ADD_TO_CART, catalogue.price[product], -1)
    )
    parts = (
        chosen.tolist(),
        texts(EVENT_NAMES)[name],
        iso(calendar.to_utc(events.occurred[chosen])),
        devices[sessions.device[session]],
        _pages(catalogue)[name * (len(catalogue.sku) + 1) + np.where(name == PRODUCT_VIEW, product, -1) + 1],
        _origins(calendar)[_origin_codes(events, sessions, calendar, chosen)],
        texts([json.dumps(sku) for sku in catalogue.sku] + ["null"])[product],
        texts([f"{cents / 100:.2f}" if cents >= 0 else "null" for cents in value.tolist()]),
        texts([json.dumps(address) if address else "null" for address in email[chosen]]),
        np.where(has_order, '{"order_number":"' + orders.id[order] + '"}', "null"),
    )
    return [
        f'{{"id":"e{number + 1:09d}","event":"{event}","at":"{at}Z","device":"{device}","url":"{page}",'
        f'{origin},"product":{sku},"value":{value},"email":{address},"properties":{properties}}}'
        for number, event, at, device, page, origin, sku, value, address, properties in zip(
            *parts, strict=True
        )
    ]


def _pages(catalogue: Catalogue) -> Texts:
    """Of each event name: its page, then that of each product."""
    return texts(
        [
            _SHOP + page + (sku.lower() if page == "/products/" else "")
            for page in _PAGES
            for sku in ["", *catalogue.sku]
        ]
    )


def _seasons(calendar: Calendar) -> list[str]:
    first = calendar.start // (365 * 86_400) + 1970
    return [
        f"{season}_{year}"
        for year in range(first, first + 4)
        for season in ("always_on", "spring", "christmas")
    ]


def _origins(calendar: Calendar) -> Texts:
    """The JSON of referrer and utm fields for every origin and season."""
    written = []
    for referrer, source, medium in _ORIGINS:
        for season in _seasons(calendar):
            fields = {
                "referrer": referrer,
                "utm_source": source,
                "utm_medium": medium,
                "utm_campaign": season if source else None,
            }
            written.append(json.dumps(fields, separators=(",", ":"))[1:-1])
    return texts(written)


def _origin_codes(events: Events, sessions: Sessions, calendar: Calendar, chosen: Numbers) -> Numbers:
    """Only the first page of a session tells where it comes from."""
    month, year = months(events.occurred[chosen]) % 12 + 1, months(events.occurred[chosen]) // 12 + 1970
    season = np.where((month >= 3) & (month <= 5), 1, np.where(month >= 11, 2, 0))
    code = (year - (calendar.start // (365 * 86_400) + 1970)) * 3 + season
    origin = np.where(events.is_first[chosen], sessions.origin[events.session[chosen]], 0)
    return origin * len(_seasons(calendar)) + code
