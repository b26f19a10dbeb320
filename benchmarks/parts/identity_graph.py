"""Identity on a million identifiers: from nothing beside label propagation in SQL, and with 1 % more rows.

Both read the same table of observations and leave the same customers. People have a number, one or two e-mail
addresses, a phone, a contact and devices; some share a device with somebody else, so that chains get long.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from rapport import ledger, warehouse
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.identity.resolve import resolve_identity
from rapport.settings import Settings

IDENTIFIERS = int(os.environ.get("RAPPORT_BENCH_IDENTIFIERS", "1000000"))
PER_PERSON = 3.97
AS_OF = datetime(2026, 7, 1, tzinfo=UTC)

OBSERVATIONS = """
create schema if not exists intermediate;
create table if not exists intermediate.int_identity_observations (
    observation_id uuid not null, stream text, source text, customer_number text, email text, phone text,
    contact_id text, anonymous_id text, record_id text, first_batch_id bigint,
    batch_first_seen_at timestamptz, first_seen_at timestamptz, last_seen_at timestamptz,
    is_current boolean, run_id bigint
);
"""

INDEXES = """
create unique index on intermediate.int_identity_observations (observation_id);
create index on intermediate.int_identity_observations (run_id);
create index on intermediate.int_identity_observations (customer_number);
create index on intermediate.int_identity_observations (contact_id);
create index on intermediate.int_identity_observations (email);
create index on intermediate.int_identity_observations (phone);
create index on intermediate.int_identity_observations (anonymous_id);
analyze intermediate.int_identity_observations;
"""

# Rows of the people numbered from `first` to `last`.
PEOPLE = """
insert into intermediate.int_identity_observations
select
    gen_random_uuid(), stream, source, customer_number, email, phone, contact_id, anonymous_id,
    stream || person, %(batch)s, seen_at, seen_at, seen_at + interval '3 days', true, %(run)s
from generate_series(%(first)s::bigint, %(last)s::bigint) as person
cross join lateral (
    select
        'p' || person || '@mail.example' as p,
        'q' || person || '@work.example' as q,
        '+4930' || person as tel
) as address
cross join lateral (values
    ('orders', 'shop', person::text, p, null, null, null, true),
    ('orders', 'shop', person::text, q, null, null, null, person %% 6 = 0),
    ('web_events', 'site', null, p, null, null, md5('d' || person), true),
    ('web_events', 'site', null, p, null, null, md5('e' || person), person %% 2 = 0),
    ('web_events', 'site', null, q, null, null, md5('f' || person), person %% 6 = 0),
    ('web_events', 'site', null, p, null, null, md5('d' || person + 1), person %% 25 < 2),
    ('contacts', 'crm', null, q, tel, 'K' || person, null, person %% 6 = 0),
    ('ticket_versions', 'desk', null, null, tel, null, md5('g' || person), person %% 12 = 0)
) as seen (stream, source, customer_number, email, phone, contact_id, anonymous_id, is_there)
cross join lateral (
    select timestamptz '2025-01-01 00:00+00' + person %% 400 * interval '1 day' as seen_at
) as moments
where is_there
"""

# New rows of people who are known, and people who are not.
NEWS = """
insert into intermediate.int_identity_observations
select
    gen_random_uuid(), 'web_events', 'site', null, 'p' || person || '@mail.example', null, null,
    md5('new' || person), 'n' || person, %(batch)s, '2026-06-30', '2026-06-30', '2026-06-30', true, %(run)s
from generate_series(%(first)s::bigint, %(last)s::bigint, 3) as person
"""


def measures() -> Iterator[dict[str, object]]:
    """The two ratios, each of medians of the same run."""
    with tempfile.TemporaryDirectory(prefix="rapport-benchmark-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", Settings.from_environment().postgres_bin).start()
        try:
            yield from _measured(server.url("rapport"))
        finally:
            server.stop()


def _measured(url: str) -> Iterator[dict[str, object]]:
    warehouse.migrate(url)
    people = round(IDENTIFIERS / PER_PERSON)
    first = _run(url, 1)
    with psycopg.connect(url) as connection:
        connection.execute(OBSERVATIONS)
        connection.execute(PEOPLE, {"first": 1, "last": people, "batch": 1, "run": first.run_id})
        connection.execute(INDEXES)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze intermediate.int_identity_observations")
        connection.execute("checkpoint")
    began = time.perf_counter()
    counts = resolve_identity(url, first)
    from_nothing = time.perf_counter() - began
    rounds, propagation, customers = _label_propagation(url)
    assert customers == counts.customers, (customers, counts)
    print(
        f"{counts.identifiers:,} identifiers of {counts.customers:,} customers: {from_nothing:.1f} s; "
        f"label propagation, {rounds} rounds: {propagation:.1f} s"
    )
    second = _run(url, 2)
    with psycopg.connect(url) as connection:
        rows = connection.execute("select count(*) from intermediate.int_identity_observations").fetchone()
        assert rows is not None
        news = rows[0] // 100
        known, unknown = news // 2, round(news / 2 / 3)
        values = {"batch": 2, "run": second.run_id}
        connection.execute(NEWS, {"first": 1, "last": 3 * known, **values})
        connection.execute(PEOPLE, {"first": people + 2, "last": people + 1 + unknown, **values})
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze intermediate.int_identity_observations")
        connection.execute("vacuum analyze identity.identifiers")
        connection.execute("checkpoint")
    began = time.perf_counter()
    after = resolve_identity(url, second)
    incremental = time.perf_counter() - began
    print(
        f"{after.identifiers - counts.identifiers:,} identifiers more with {news:,} rows: {incremental:.2f} s"
    )
    yield _ratio("identity.vs_label_propagation", propagation / from_nothing, "x faster", 6, is_least=True)
    yield _ratio(
        "identity.incremental", incremental / from_nothing, "x of from nothing", 0.15, is_least=False
    )


def _run(url: str, max_batch_id: int) -> ledger.Run:
    opened = ledger.open_run(url, as_of=AS_OF, config="")
    with psycopg.connect(url) as connection:
        connection.execute(
            "update ops.runs set max_batch_id = %s where run_id = %s", [max_batch_id, opened.run_id]
        )
        return ledger.run(connection, opened.run_id)


def _label_propagation(url: str) -> tuple[int, float, int]:
    """How many rounds it took, how many seconds, and how many customers it found.

    Every identifier takes the smallest label among its neighbours' until nothing changes; each round writes a
    new table, which is faster than to update one. The last step writes what identity writes, keyed.
    """
    with psycopg.connect(url) as connection:
        connection.execute("set work_mem = '64MB'")
        began = time.perf_counter()
        connection.execute(
            """
            create temp table seen as
            select
                array_remove(array[
                    'customer_number|' || source || '|' || customer_number,
                    'contact|' || source || '|' || contact_id,
                    'email||' || email, 'phone||' || phone, 'device||' || anonymous_id
                ], null) as identifiers
            from intermediate.int_identity_observations
            """
        )
        connection.execute(
            """
            create temp table neighbours as
            select distinct one as identifier, other as neighbour
            from seen cross join unnest(identifiers) as one cross join unnest(identifiers) as other
            """
        )
        connection.execute("analyze neighbours")
        connection.execute(
            "create temp table labels as select distinct identifier, identifier as label from neighbours"
        )
        rounds, changed = 0, 1
        while changed:
            rounds += 1
            connection.execute("analyze labels")
            connection.execute(
                """
                create temp table next_labels as
                select neighbours.identifier, min(labels.label) as label
                from neighbours inner join labels on neighbours.neighbour = labels.identifier
                group by neighbours.identifier
                """
            )
            row = connection.execute(
                """
                select count(*) from next_labels inner join labels using (identifier)
                where next_labels.label <> labels.label
                """
            ).fetchone()
            assert row is not None
            changed = row[0]
            connection.execute("drop table labels")
            connection.execute("alter table next_labels rename to labels")
        connection.execute(
            """
            create table propagated as
            select
                split_part(identifier, '|', 1) as kind, split_part(identifier, '|', 2) as source,
                split_part(identifier, '|', 3) as value, 'c_' || left(md5(label), 20) as customer_id
            from labels
            """
        )
        connection.execute("alter table propagated add primary key (kind, source, value)")
        connection.execute("create index on propagated (customer_id)")
        connection.commit()
        seconds = time.perf_counter() - began
        row = connection.execute("select count(distinct customer_id) from propagated").fetchone()
        assert row is not None
        connection.execute("drop table propagated")
        return rounds, seconds, int(row[0])


def _ratio(measure: str, value: float, unit: str, target: float, *, is_least: bool) -> dict[str, object]:
    return {
        "measure": measure,
        "value": round(value, 3),
        "unit": unit,
        "target": f">= {target}" if is_least else f"<= {target}",
        "ok": value >= target if is_least else value <= target,
    }
