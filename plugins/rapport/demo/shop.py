"""Write a whole generated shop: nine feeds, and beside them the truth."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rapport.demo import crm, feedback, feedback_feeds, sales_feeds, support_feeds, web_feed
from rapport.demo.catalogue import catalogue
from rapport.demo.chance import generator
from rapport.demo.orders import orders
from rapport.demo.people import people
from rapport.demo.refunds import refunds
from rapport.demo.seasons import calendar
from rapport.demo.tickets import tickets
from rapport.demo.truth import FeedCounts, ShopTruth, Sightings, stopped
from rapport.demo.visits import device_ids, events, sessions
from rapport.demo.writing import csv, write
from rapport.errors import ConfigurationError

END = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
FEEDS = (
    "orders", "order_lines", "refunds", "web_events", "ticket_versions", "ticket_events", "survey_responses",
    "contacts", "consents",
)  # fmt: skip
FEWEST, MOST = 50, 200_000
# Counted up when the same seed begins to give other files.
_EDITION = 1


def write_shop(folder: Path, *, seed: int = 1, customers: int = 2000, end: datetime = END) -> ShopTruth:
    """Write the shop's feeds to `<folder>/<feed>/` and the truth to `<folder>/truth/`.

    The same arguments give the same bytes everywhere. A shop that is already there stays untouched; one that
    was cut off while it was written is written again.

    Args:
        customers: how many people have an account, bought as guests or subscribed, 50 to 200,000.
        end: the latest time in the feeds, with a time zone.

    Raises:
        ConfigurationError: an argument is out of range, or the folder holds another shop or other files.
        DiskFull: there is no room.
    """
    if not FEWEST <= customers <= MOST:
        raise ConfigurationError(f"customers is {customers}; a shop can have {FEWEST} to {MOST:,}")
    if seed < 0:
        raise ConfigurationError(f"seed is {seed}; it has to be 0 or more")
    if end.tzinfo is None:
        raise ConfigurationError(f"end is {end.isoformat()} without a time zone; add one, for UTC a Z")
    asked_for = {
        "seed": seed,
        "customers": customers,
        "end": end.astimezone(UTC).isoformat(),
        "edition": _EDITION,
    }
    _claim(folder, asked_for)
    there = _written(folder)
    if there is not None:
        return there
    truth = ShopTruth(
        folder, seed, customers, end.astimezone(UTC), feeds={feed: FeedCounts() for feed in FEEDS}
    )
    sizes = {}
    for path, content in _files(truth):
        write(folder / path, content)
        sizes[path] = len(content)
    # Written last: while it is missing, the shop is not complete.
    _write_json(folder / "truth" / "counts.json", truth.as_json() | {"files": sizes})
    return truth


def _files(truth: ShopTruth) -> Iterator[tuple[str, bytes]]:
    """Every file but the counts, as path under the folder and content; the counts fill up meanwhile."""
    seed = truth.seed
    days, goods = calendar(truth.end), catalogue()
    everyone = people(generator(seed, "people"), truth.customers, days, goods)
    bought, lines = orders(generator(seed, "orders"), everyone, days, goods)
    given_back, back = refunds(generator(seed, "refunds"), bought, lines, days)
    visits_rng, dirt = generator(seed, "visits"), generator(seed, "dirt")
    visited = sessions(visits_rng, everyone, bought, lines, days, goods)
    happened = events(visits_rng, visited, bought, days)
    devices = device_ids(visits_rng, int(visited.device.max()) + 1)
    asked = tickets(generator(seed, "tickets"), bought, days)
    feedback_rng = generator(seed, "feedback")
    answered = feedback.answers(feedback_rng, bought, asked, days)
    decided = feedback.decisions(feedback_rng, everyone, days)
    sightings = Sightings()
    counts = truth.feeds
    feeds = {
        "orders": sales_feeds.order_files(dirt, bought, everyone, days, counts["orders"], sightings),
        "order_lines": sales_feeds.line_files(dirt, bought, lines + back, goods, counts["order_lines"]),
        "refunds": sales_feeds.refund_file(dirt, given_back, bought, goods, counts["refunds"]),
        "web_events": web_feed.web_event_files(
            dirt, happened, visited, devices, everyone, bought, goods, days, counts["web_events"], sightings
        ),
        "ticket_versions": support_feeds.version_file(
            dirt, asked, bought, everyone, counts["ticket_versions"], sightings
        ),
        "ticket_events": support_feeds.event_file(dirt, asked, days, counts["ticket_events"]),
        "survey_responses": feedback_feeds.survey_file(
            dirt, answered, everyone, days, counts["survey_responses"], sightings
        ),
        "contacts": crm.contact_file(dirt, everyone, days, counts["contacts"], sightings),
        "consents": feedback_feeds.consent_file(dirt, decided, everyone, days, counts["consents"], sightings),
    }
    for feed, files in feeds.items():
        for name, content in files:
            yield f"{feed}/{name}", content
    known, gone = sightings.people(everyone), stopped(everyone, days)
    truth.people, truth.stopped, truth.orders = len(known), len(gone), len(bought)
    truth.gross_cents = int((lines.quantity * lines.price).sum())
    truth.returned_cents = int((back.quantity * back.price).sum())
    truth.refunded_cents = int(given_back.amount.sum())
    yield "truth/people.csv", csv(known)
    yield "truth/stopped.csv", csv(gone)


def _claim(folder: Path, asked_for: dict[str, object]) -> None:
    """Mark the folder as this shop's, before anything else is written to it."""
    mark = folder / "truth" / "shop.json"
    if mark.exists():
        found = json.loads(mark.read_text())
        differing = [name for name in asked_for if found.get(name) != asked_for[name]]
        if differing:
            name = differing[0]
            raise ConfigurationError(
                f"{folder} holds a generated shop with {name} {found.get(name)}, not {asked_for[name]}; "
                "choose another folder or delete this one"
            )
        return
    for feed in FEEDS:
        if any((folder / feed).glob("[!.]*")):
            raise ConfigurationError(
                f"{folder / feed} holds files that are not a generated shop's; choose another folder"
            )
    _write_json(mark, asked_for)


def _written(folder: Path) -> ShopTruth | None:
    """The shop in the folder, if it is complete: its counts are there, and every file in its full size."""
    manifest = folder / "truth" / "counts.json"
    if not manifest.exists():
        return None
    values = json.loads(manifest.read_text())
    for path, size in values.pop("files").items():
        file = folder / path
        if not file.is_file() or file.stat().st_size != size:
            return None
    return ShopTruth.from_json(folder, values)


def _write_json(path: Path, values: dict[str, object]) -> None:
    write(path, (json.dumps(values, indent=2) + "\n").encode())
