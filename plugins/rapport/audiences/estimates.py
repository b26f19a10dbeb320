"""How many customers a definition fits: exactly, or from a sample with its error."""

import math
from dataclasses import dataclass
from datetime import datetime

import psycopg

from rapport.audiences.customer_columns import Catalogue
from rapport.audiences.definition import Definition
from rapport.audiences.definition_sql import Range, count_query

EXACT_BELOW = 20_000  # customers: so many are counted and not sampled
SAMPLE = 10_000  # customers
CONFIDENCE = 1.96  # standard deviations: 95 %


@dataclass(frozen=True)
class Estimate:
    """`error` is half the 95 % interval, 0 of a count; `share` is the sampled part of all, 1 of a count.

    Of none found in a sample `error` is below how many they are.
    """

    members: int
    customers: int
    error: int = 0
    share: float = 1.0

    @property
    def is_exact(self) -> bool:
        return self.share == 1.0


def estimate(
    connection: psycopg.Connection,
    definition: Definition,
    catalogue: Catalogue,
    as_of: datetime,
    *,
    exact_below: int = EXACT_BELOW,
    sample: int = SAMPLE,
) -> Estimate:
    """About how many fit, from the customers whose id lies in a range; all of them where there are few.

    A customer's id is `c_` and a hash, so a range of ids is a random sample, the same each time, and an index
    finds it.
    """
    row = connection.execute(
        "select greatest(reltuples, 0)::bigint from pg_class where oid = 'marts.customers'::regclass"
    ).fetchone()
    customers = row[0] if row else 0
    if customers < exact_below:
        return exact(connection, definition, catalogue, as_of)
    chosen = _range(min(1.0, sample / customers))
    query, parameters = count_query(definition, catalogue, as_of, chosen)
    (found,) = connection.execute(query, parameters).fetchone() or (0,)
    (looked_at,) = connection.execute(
        "select count(*) from marts.customers where customer_id >= %s and customer_id < %s",
        [chosen.low, chosen.high],
    ).fetchone() or (0,)
    return extrapolated(found, looked_at, customers)


def exact(
    connection: psycopg.Connection, definition: Definition, catalogue: Catalogue, as_of: datetime
) -> Estimate:
    """How many fit as of a moment: as many as a run as of it builds."""
    query, parameters = count_query(definition, catalogue, as_of)
    (members,) = connection.execute(query, parameters).fetchone() or (0,)
    row = connection.execute("select count(*) from marts.customers").fetchone()
    return Estimate(members, row[0] if row else 0)


def extrapolated(found: int, looked_at: int, customers: int) -> Estimate:
    """From `found` of `looked_at` to all customers, with Wilson's score interval.

    J. Am. Stat. Assoc. 22, 1927.
    """
    if looked_at == 0:
        return Estimate(0, customers, customers, 0.0)
    share, square = found / looked_at, CONFIDENCE**2
    middle = (share + square / (2 * looked_at)) / (1 + square / looked_at)
    half = (
        CONFIDENCE
        * math.sqrt(share * (1 - share) / looked_at + square / (4 * looked_at**2))
        / (1 + square / looked_at)
    )
    # The interval is not even on both sides; the longer one is told.
    error = max(middle + half - share, share - (middle - half))
    return Estimate(
        members=_rounded(share * customers, error * customers),
        customers=customers,
        error=_rounded(error * customers, error * customers),
        share=min(looked_at / customers, 0.9999),
    )


def _rounded(value: float, error: float) -> int:
    """To the first digit of the error: 1,237 ± 88 → 1,240 ± 90."""
    unit = 10 ** max(math.floor(math.log10(error)), 0) if error > 0 else 1
    return round(value / unit) * unit


def _range(share: float) -> Range:
    """The ids that begin the share of all; above the last of them for a share of 1."""
    return Range("c_", f"c_{int(share * 16**10):010x}" if share < 1 else "c_g")
