"""The online shop's exports: order headers by month, order lines by quarter, refunds in one file."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from rapport.demo.catalogue import Catalogue
from rapport.demo.chance import Numbers, Texts, texts
from rapport.demo.dirt import Breakages, typed_emails, typed_phones, with_broken_rows
from rapport.demo.orders import CHANNELS, Lines, Orders
from rapport.demo.people import NEVER, People
from rapport.demo.refunds import Refunds
from rapport.demo.seasons import DAY, Calendar, month_name, months, quarter_name, spaced
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
    shipping, discount, total = euros(orders.shipping), euros(orders.discount), euros(orders.total)

    def rows(chosen: Numbers) -> pd.DataFrame:
        of, is_last = order[chosen], is_cancelled[chosen]
        table = {
            "number": orders.id[of],
            "placed": spaced(orders.placed[of]),
            "changed": spaced(changed[chosen]),
            "cancelled": np.where(is_last, spaced(changed[chosen]), ""),
            "state": state[chosen],
            "channel": texts(CHANNELS)[orders.channel[of]],
            "currency": "EUR",
            "shipping": shipping[of],
            "discount": discount[of],
            "total": total[of],
        }
        return pd.DataFrame(table | {column: values[of] for column, values in who.items()})

    files = {month: f"orders_{month_name(month)}" for month in np.unique(months(changed)).tolist()}
    yield from _csv_files(rng, rows, months(changed), files, _BROKEN_ORDERS, counts)


def line_files(
    rng: np.random.Generator,
    orders: Orders,
    lines: Lines,
    catalogue: Catalogue,
    counts: FeedCounts,
) -> Iterator[tuple[str, bytes]]:
    """Every line, by quarter. An export also holds the next quarter's first day, as the next one does."""
    quarter, previous = months(lines.booked) // 3, months(lines.booked - DAY) // 3
    overlap = np.flatnonzero((previous < quarter) & (previous >= quarter[0]))
    counts.duplicates = len(overlap)
    line = np.concatenate([np.arange(len(lines.order)), overlap])
    exported = np.concatenate([quarter, previous[overlap]])

    def rows(chosen: Numbers) -> pd.DataFrame:
        of = line[chosen]
        kind, product, is_product = lines.kind[of], lines.product[of], lines.product[of] >= 0
        other = texts(["", "Delivery", "Voucher"])[kind]
        return pd.DataFrame(
            {
                "order": orders.id[lines.order[of]],
                "line": lines.line[of],
                "placed": spaced(lines.booked[of]),
                "kind": texts(["article", "delivery", "voucher"])[kind],
                "article": np.where(is_product, catalogue.sku[product], ""),
                "title": np.where(is_product, catalogue.name[product], other),
                "category": np.where(is_product, categories[product], ""),
                "pieces": texts([str(quantity) for quantity in lines.quantity[of].tolist()]),
                "price": euros(lines.price[of]),
            }
        )

    files = {number: f"order_lines_{quarter_name(number)}" for number in np.unique(exported).tolist()}
    categories = texts(catalogue.categories)[catalogue.category]
    yield from _csv_files(rng, rows, exported, files, _BROKEN_LINES, counts)


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
    mixed = with_broken_rows(rng, rows, _BROKEN_REFUNDS)
    counts.broken, counts.rows, counts.files = len(mixed) - len(rows), len(mixed), 1
    yield "refunds.csv", csv(mixed)


def euros(cents: Numbers) -> Texts:
    """`12.50` for each."""
    return texts([f"{amount / 100:.2f}" for amount in cents.tolist()])


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
    rng: np.random.Generator,
    rows: Callable[[Numbers], pd.DataFrame],
    exported: Numbers,
    files: dict[int, str],
    breakages: Breakages,
    counts: FeedCounts,
) -> Iterator[tuple[str, bytes]]:
    """A gzipped file for each of `files`, with those rows whose `exported` is its key; made one at a time.

    Args:
        rows: makes the rows at the given positions.
    """
    broken_in = rng.choice(list(files), len(breakages))
    for number, name in files.items():
        part = rows(np.flatnonzero(exported == number))
        wrong = [breakages[which] for which in np.flatnonzero(broken_in == number).tolist()]
        part = with_broken_rows(rng, part, wrong)
        counts.files += 1
        counts.rows += len(part)
        counts.broken += len(wrong)
        yield f"{name}.csv.gz", gzipped(csv(part))
