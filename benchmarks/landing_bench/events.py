"""A web shop's event export as CSV: seeded, written a block at a time, about 210 bytes an event."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

BLOCK_ROWS = 250_000
MONTHS = ("2026-04", "2026-05", "2026-06")
_NAMES = ("page_view", "product_view", "search", "add_to_cart", "checkout", "purchase")
_ORIGINS = (None, "https://www.google.com/", "https://www.instagram.com/", "https://balkongarten.example/")
_CAMPAIGNS = (None, "spring", "newsletter-21", "balcony")
_BROWSERS = ("Firefox 150.0", "Chrome 149.0", "Safari 20.1", "Edge 149.0")

MAPPING = """
stream: web_events
source: web_shop
read:
  files: {file}
columns:
  event_id: id
  event_name: event
  occurred_at: at
  anonymous_id: device
  page_url: url
  referrer: referrer
  utm_source: source
  utm_campaign: campaign
  product_id: product
  value: value
  email: email
"""


def write_events(path: Path, rows: int, *, seed: int = 1) -> None:
    """Events of three months by their time, 1 in 500 twice; browser, session and screen are not mapped."""
    rng = np.random.default_rng(seed)
    start = np.datetime64(f"{MONTHS[0]}-01T00:00:00", "ms")
    length = int((np.datetime64("2026-07-01", "ms") - start) / np.timedelta64(1, "ms"))
    with csv.CSVWriter(path, _block(rng, start, start, 1).schema) as writer:
        for first in range(0, rows, BLOCK_ROWS):
            count = min(BLOCK_ROWS, rows - first)
            since = start + np.timedelta64(length * first // rows, "ms")
            until = start + np.timedelta64(length * (first + count) // rows, "ms")
            block = _block(rng, since, until, count)
            again = np.where(rng.random(count) < 0.002, rng.integers(0, count, count), np.arange(count))
            writer.write_table(pa.Table.from_batches([block]).take(pa.array(again)))


def _block(rng: np.random.Generator, since: np.datetime64, until: np.datetime64, rows: int) -> pa.RecordBatch:
    span = max(int((until - since) / np.timedelta64(1, "ms")), 1)
    moments = since + np.sort(rng.integers(0, span, rows)).astype("timedelta64[ms]")
    products = rng.integers(1, 5000, rows)
    pages = pc.binary_join_element_wise("https://www.shop.example/products/", _texts(products), "")
    cents = rng.integers(100, 20_000, rows)
    amounts = pc.binary_join_element_wise(
        _texts(cents // 100), pc.utf8_lpad(_texts(cents % 100), 2, "0"), "."
    )
    person = rng.integers(0, 40_000, rows)
    emails = pc.binary_join_element_wise("c", _texts(person), "@example.com", "")
    return pa.RecordBatch.from_pydict(
        {
            "id": _hex(rng.integers(0, 2**63, rows)),
            "event": _pick(rng, _NAMES, rows),
            "at": pc.binary_join_element_wise(
                pa.array(np.datetime_as_string(moments).astype(object)), "Z", ""
            ),
            "device": _hex(person * 1_000_003),
            "url": pages,
            "referrer": _pick(rng, _ORIGINS, rows),
            "source": _pick(rng, (None, "google", "instagram", None), rows),
            "campaign": _pick(rng, _CAMPAIGNS, rows),
            "product": _texts(products),
            "value": pc.if_else(pa.array(rng.random(rows) < 0.1), amounts, None),
            "email": pc.if_else(pa.array(rng.random(rows) < 0.05), emails, None),
            "browser": _pick(rng, _BROWSERS, rows),
            "session": _hex(person * 7_919 + rng.integers(0, 9, rows)),
            "screen": _pick(rng, ("1920x1080", "390x844", "1366x768"), rows),
        }
    )


def _texts(numbers: np.ndarray) -> pa.StringArray:
    return pa.array(numbers).cast(pa.string())


def _hex(numbers: np.ndarray) -> pa.StringArray:
    return pa.array([f"{number:016x}" for number in numbers.tolist()], pa.string())


def _pick(rng: np.random.Generator, values: tuple[str | None, ...], rows: int) -> pa.StringArray:
    return pa.array(values, pa.string()).take(pa.array(rng.integers(0, len(values), rows)))
