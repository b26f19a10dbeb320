"""How many customers a definition fits: exactly, or from a sample with its error."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from rapport.audiences.customer_columns import Catalogue
from rapport.audiences.definition import Definition
from rapport.audiences.definition_sql import Range, count_query

EXACT_BELOW = 20_000  # customers: so many are counted and not sampled
FIRST_SAMPLE = 2_000  # customers
LARGEST_SAMPLE = 20_000
SECONDS = 0.15  # what a sample may take
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
    most: int = LARGEST_SAMPLE,
) -> Estimate:
    """About how many fit, from the customers whose id lies in a range; all of them where there are few.

    A customer's id is `c_` and a hash, so a range of ids is a random sample, and an index finds it. The first
    part of the sample shows how long a customer takes; the rest is as large as fits into `SECONDS`.
    """
    row = connection.execute(
        "select greatest(reltuples, 0)::bigint from pg_class where oid = 'marts.customers'::regclass"
    ).fetchone()
    customers = row[0] if row else 0
    if customers < exact_below:
        return exact(connection, definition, catalogue, as_of)
    first = min(FIRST_SAMPLE, most)
    began = time.perf_counter()
    found, looked_at = _sampled(connection, definition, catalogue, as_of, 0, first / customers)
    took = max(time.perf_counter() - began, 1e-4)
    whole = min(most, int(first * SECONDS / took))
    if whole > 1.5 * first:
        more = _sampled(connection, definition, catalogue, as_of, first / customers, whole / customers)
        found, looked_at = found + more[0], looked_at + more[1]
    return extrapolated(found, looked_at, customers)


def _sampled(
    connection: psycopg.Connection,
    definition: Definition,
    catalogue: Catalogue,
    as_of: datetime,
    low: float,
    high: float,
) -> tuple[int, int]:
    """How many fit of the customers in a part of all ids, and how many these are."""
    part = Range(_id_at(low), _id_at(high))
    query, parameters = count_query(definition, catalogue, as_of, part)
    with planned_for_many(connection):
        (found,) = connection.execute(query, parameters).fetchone() or (0,)
    (looked_at,) = connection.execute(
        "select count(*) from marts.customers where customer_id >= %s and customer_id < %s",
        [part.low, part.high],
    ).fetchone() or (0,)
    return found, looked_at


def exact(
    connection: psycopg.Connection, definition: Definition, catalogue: Catalogue, as_of: datetime
) -> Estimate:
    """How many fit as of a moment: as many as a run as of it builds."""
    query, parameters = count_query(definition, catalogue, as_of)
    with planned_for_many(connection):
        (members,) = connection.execute(query, parameters).fetchone() or (0,)
    row = connection.execute("select count(*) from marts.customers").fetchone()
    return Estimate(members, row[0] if row else 0)


@contextmanager
def planned_for_many(connection: psycopg.Connection) -> Iterator[None]:
    """Have the transaction's queries group and join in memory.

    How many did something is a guess of the planner's; where that is "nobody", it would compare each customer
    with each who did.
    """
    chosen = {"work_mem": "64MB", "jit": "off", "enable_nestloop": "off"}
    for name, value in chosen.items():
        connection.execute("select set_config(%s, %s, true)", [name, value])
    yield
    for name in chosen:
        connection.execute(sql.SQL("set local {} to default").format(sql.Identifier(name)))


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
        members=min(_rounded(share * customers, error * customers), customers),
        customers=customers,
        error=_rounded(error * customers, error * customers),
        share=min(looked_at / customers, 0.9999),
    )


def _rounded(value: float, error: float) -> int:
    """To the first digit of the error: 1,237 ± 88 → 1,240 ± 90."""
    unit = 10 ** max(math.floor(math.log10(error)), 0) if error > 0 else 1
    return round(value / unit) * unit


def _id_at(share: float) -> str:
    """The id below which that share of all ids lies."""
    return f"c_{int(share * 16**10):010x}" if share < 1 else "c_g"
