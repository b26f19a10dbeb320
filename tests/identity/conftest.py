"""A table of observations, written by hand, for identity to read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from rapport import ledger

Observe = Callable[..., None]
COLUMNS = ("customer_number", "email", "phone", "contact_id", "anonymous_id")
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def observations_url(warehouse_url: str) -> str:
    """A warehouse with an empty table of observations; a row belongs to the next run."""
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("create schema if not exists intermediate")
        connection.execute(
            """
            create table intermediate.int_identity_observations (
                observation_id uuid not null default gen_random_uuid(),
                stream text, source text, customer_number text, email text, phone text, contact_id text,
                anonymous_id text, record_id text, first_batch_id bigint, batch_first_seen_at timestamptz,
                first_seen_at timestamptz, last_seen_at timestamptz, is_current boolean not null default true,
                run_id bigint not null
            )
            """
        )
    return warehouse_url


@pytest.fixture
def observe(observations_url: str) -> Observe:
    """`observe(batch, stream, source, email=…, …)` adds a row seen on the batch's day."""

    def add(batch: int, stream: str, source: str, record_id: str = "r1", **identifiers: str) -> None:
        seen_at = START + timedelta(days=batch)
        with psycopg.connect(observations_url) as connection:
            connection.execute(
                """
                insert into intermediate.int_identity_observations (
                    stream, source, customer_number, email, phone, contact_id, anonymous_id, record_id,
                    first_batch_id, batch_first_seen_at, first_seen_at, last_seen_at, is_current, run_id
                )
                select
                    %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, true,
                    (select coalesce(max(run_id), 0) + 1 from ops.runs)
                """,
                [
                    stream,
                    source,
                    *(identifiers.get(column) for column in COLUMNS),
                    record_id,
                    batch,
                    seen_at,
                    seen_at,
                    seen_at,
                ],
            )

    return add


@pytest.fixture
def supersede(observations_url: str) -> Callable[[str], None]:
    """`supersede("email = 'a@b.example'")`: these rows hold no longer, from the next run on."""

    def mark(condition: str) -> None:
        with psycopg.connect(observations_url) as connection:
            connection.execute(
                f"""
                update intermediate.int_identity_observations
                set is_current = false, run_id = (select coalesce(max(run_id), 0) + 1 from ops.runs)
                where {condition}
                """.encode()
            )

    return mark


@pytest.fixture
def open_run(warehouse_url: str) -> Callable[..., ledger.Run]:
    """`open_run(day)`: a run that sees the batches up to the day's."""

    def opened(day: int, *, is_rebuild: bool = False) -> ledger.Run:
        run = ledger.open_run(
            warehouse_url, as_of=START + timedelta(days=day), config="", is_rebuild=is_rebuild
        )
        with psycopg.connect(warehouse_url) as connection:
            connection.execute("update ops.runs set max_batch_id = %s where run_id = %s", [day, run.run_id])
            connection.execute("analyze intermediate.int_identity_observations")
            return ledger.run(connection, run.run_id)

    return opened
