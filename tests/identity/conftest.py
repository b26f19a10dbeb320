"""A table of observations, written by hand, for identity to read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

Observe = Callable[..., None]
COLUMNS = ("customer_number", "email", "phone", "contact_id", "anonymous_id")
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def observe(warehouse_url: str) -> Observe:
    """`observe(batch, stream, source, email=…, …)` adds a row seen on the batch's day."""
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("create schema intermediate")
        connection.execute(
            """
            create table intermediate.int_identity_observations (
                stream text, source text, customer_number text, email text, phone text, contact_id text,
                anonymous_id text, record_id text, first_batch_id bigint, first_seen_at timestamptz,
                last_seen_at timestamptz
            )
            """
        )

    def add(batch: int, stream: str, source: str, record_id: str = "r1", **identifiers: str) -> None:
        seen_at = START + timedelta(days=batch)
        with psycopg.connect(warehouse_url) as connection:
            connection.execute(
                """
                insert into intermediate.int_identity_observations
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                """,
                [
                    stream,
                    source,
                    *(identifiers.get(column) for column in COLUMNS),
                    record_id,
                    batch,
                    seen_at,
                    seen_at,
                ],
            )

    return add
