"""The online shop's exports: order headers by month, order lines by quarter, refunds in one file."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rapport.demo.catalogue import Catalogue
from rapport.demo.chance import Numbers, Texts, texts
from rapport.demo.dirt import Breakages, typed_emails, typed_phones, with_broken_rows
from rapport.demo.orders import CHANNELS, Lines, Orders
from rapport.demo.people import NEVER, People
from rapport.demo.refunds import Refunds
from rapport.demo.seasons import DAY, Calendar, spaced
from rapport.demo.truth import FeedCounts, Sightings
from rapport.demo.writing import csv, gzipped

_BROKEN_ORDERS: Breakages = (
    ("number", ""),
    ("placed", "2026-02-30 10:00:00"),
    ("placed", ""),
    ("total", "twelve"),
)
_BROKEN_LINES: Breakages = (
    ("order", ""),
    ("pieces", "two"),
    ("pieces", ""),
    ("price", "n/a"),
    ("placed", "2025-13-41 99:00:00"),
)
_BROKEN_REFUNDS: Breakages = (("refund", ""), ("amount", "12.5O"), ("given_back", "soon"))
_LINE_WORDS = texts(["article", "delivery", "voucher"])


def order_files(
    rng: np.random.Generator,
    orders: Orders,
    people: People,
    calendar: Calendar,
    counts: FeedCounts,
    sightings: Sightings,
) -> Iterator[tuple[str, bytes]]:
    """Every order as placed and, if it got that far, as delivered or cancelled; by month of export."""
    who = _buyers(rng, orders, people, sightings)
    changed_later = np.minimum(orders.delivered, orders.cancelled)
    again = np.flatnonzero(changed_later < calendar.end)
    order = np.concatenate([np.arange(len(orders)), again])
    changed = np.concatenate([orders.placed, changed_later[again]])
    state = np.repeat(texts(["paid", "delivered"]), [len(orders), len(again)])
    is_cancelled = (orders.cancelled[order] != NEVER) & (state == "delivered")
    state = np.where(is_cancelled, "cancelled", state)
    by_change = np.lexsort((order, changed))
    order, changed, state, is_cancelled = (
        values[by_change] for values in (order, changed, state, is_cancelled)
    )
    rows = pd.DataFrame(
        {
            "number": orders.id[order],
            "placed": spaced(orders.placed[order]),
            "changed": spaced(changed),
            "cancelled": np.where(is_cancelled, spaced(np.where(is_cancelled, changed, 0)), ""),
            "state": state,
            "channel": texts(CHANNELS)[orders.channel[order]],
            "currency": "EUR",
            "shipping": euros(orders.shipping)[order],
            "discount": euros(orders.discount)[order],
            "total": euros(orders.total)[order],
        }
    )
    for column, values in who.items():
        rows[column] = values[order]
    mixed, taken = with_broken_rows(rng, rows, _BROKEN_ORDERS)
    counts.broken = len(mixed) - len(rows)
    yield from _csv_files("orders", mixed, months(changed)[taken], counts)


def line_files(
    rng: np.random.Generator,
    orders: Orders,
    lines: Lines,
    catalogue: Catalogue,
    counts: FeedCounts,
) -> Iterator[tuple[str, bytes]]:
    """Every line, by quarter. An export also holds the next quarter's first day, as the next one does."""
    is_product = lines.product >= 0
    product = np.where(is_product, lines.product, 0)
    kind = _LINE_WORDS[lines.kind]
    other = np.where(kind == "delivery", "Delivery", "Voucher").astype(object)
    rows = pd.DataFrame(
        {
            "order": orders.id[lines.order],
            "line": lines.line,
            "placed": spaced(lines.booked),
            "kind": kind,
            "article": np.where(is_product, catalogue.sku[product], ""),
            "title": np.where(is_product, catalogue.name[product], other),
            "category": np.where(is_product, texts(catalogue.categories)[catalogue.category[product]], ""),
            "pieces": texts([str(quantity) for quantity in lines.quantity.tolist()]),
            "price": euros(lines.price),
        }
    )
    quarter = quarters(lines.booked)
    previous = quarters(lines.booked - DAY)
    overlap = np.flatnonzero((previous < quarter) & (previous >= quarter[0]))
    counts.duplicates = len(overlap)
    labels = np.concatenate([quarter, previous[overlap]])
    everything = pd.concat([rows, rows.iloc[overlap]], ignore_index=True)
    mixed, taken = with_broken_rows(rng, everything, _BROKEN_LINES)
    counts.broken = len(mixed) - len(everything)
    yield from _csv_files("order_lines", mixed, labels[taken], counts)


def refund_file(
    rng: np.random.Generator, refunds: Refunds, orders: Orders, catalogue: Catalogue, counts: FeedCounts
) -> Iterator[tuple[str, bytes]]:
    """Every refund, in one plain file."""
    has_line, has_product, is_return = refunds.line > 0, refunds.product >= 0, refunds.kind == "return"
    rows = pd.DataFrame(
        {
            "refund": texts([f"G{number + 1:06d}" for number in range(len(refunds.order))]),
            "given_back": spaced(refunds.refunded),
            "order": orders.id[refunds.order],
            "line": np.where(has_line, texts(refunds.line.astype(str)), ""),
            "article": np.where(has_product, catalogue.sku[np.where(has_product, refunds.product, 0)], ""),
            "pieces": np.where(is_return, texts(refunds.quantity.astype(str)), ""),
            "amount": euros(refunds.amount),
            "why": refunds.kind,
        }
    )
    mixed, _ = with_broken_rows(rng, rows, _BROKEN_REFUNDS)
    counts.broken, counts.rows, counts.files = len(mixed) - len(rows), len(mixed), 1
    yield "refunds.csv", csv(mixed)


def euros(cents: Numbers) -> Texts:
    """`12.50` for each."""
    return texts([f"{amount / 100:.2f}" for amount in cents.tolist()])


def months(wall: Numbers) -> Texts:
    """`2026-06` for each; what cannot be in the calendar's months is not there."""
    return texts(np.datetime_as_string(wall.astype("datetime64[s]"), unit="M").tolist())


def quarters(wall: Numbers) -> Texts:
    """`2026-q2` for each."""
    return texts([f"{month[:4]}-q{(int(month[5:]) + 2) // 3}" for month in months(wall)])


def _buyers(
    rng: np.random.Generator, orders: Orders, people: People, sightings: Sightings
) -> dict[str, Texts]:
    """The columns that say who ordered, as typed at the till."""
    person, size = orders.person, len(orders)
    number = np.where(orders.as_guest, "", people.number[person])
    uses_other = (people.other_email[person] != "") & ~orders.as_guest & (rng.random(size) < 0.35)
    email = np.where(uses_other, people.other_email[person], people.email[person])
    no_email = rng.random(size) < 0.02
    gives_phone = (rng.random(size) < 0.6) | no_email
    named = ~orders.is_nameless
    email = np.where(no_email | ~named, "", email)
    phone = np.where(gives_phone & named, typed_phones(rng, people, person), "")
    sightings.saw("customer_number", person, number)
    sightings.saw("email", person, email)
    sightings.saw("phone", person, np.where(phone != "", people.phones[0, person], ""))
    typed = typed_emails(rng, email)
    columns = {
        "customer": np.where(number != "", number + ".0", ""),
        "email": np.where(typed != "", typed, "n/a"),
        "phone": phone,
    }
    about = {
        "first_name": people.first_name,
        "last_name": people.last_name,
        "company": people.company,
        "country": people.country_texts("code"),
        "city": people.city,
        "postcode": people.postal_code,
    }
    return columns | {name: np.where(named, values[person], "") for name, values in about.items()}


def _csv_files(
    feed: str, rows: pd.DataFrame, labels: Texts, counts: FeedCounts
) -> Iterator[tuple[str, bytes]]:
    for label, part in rows.groupby(labels, sort=True):
        counts.files += 1
        counts.rows += len(part)
        yield f"{feed}_{label}.csv.gz", gzipped(csv(part))
