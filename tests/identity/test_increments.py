"""Identity brought up to date run by run is the identity resolved at once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapport import ledger
from rapport.identity import decisions, resolve
from rapport.identity.configuration import Folding, Guard, Identity
from rapport.identity.decisions import Identifier
from rapport.identity.resolve import resolve_identity

IDENTITY = Identity(guard=Guard(links=1), email_folding={"fold.example": Folding(dots=True)})
SECOND = timedelta(seconds=1)


class Version(NamedTuple):
    """A version of a record, or, of record '', a row of a stream that only grows."""

    source: str
    record: str
    hour: int
    customer_number: str | None
    contact_id: str | None
    email: str | None
    phone: str | None
    anonymous_id: str | None


class Decision(NamedTuple):
    decision: str
    first: Identifier
    second: Identifier


def some(*values: str) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(values)


EMAILS = ("a@x.example", "b@x.example", "n.n@fold.example", "nn@fold.example", "test@x.example")
versions = st.builds(
    Version,
    source=st.sampled_from(["north", "south"]),
    record=st.sampled_from(["", "", "k", "l"]),
    hour=st.integers(0, 5),
    customer_number=some("1", "2"),
    contact_id=some("p"),
    email=some(*EMAILS),
    phone=some("+491", "+492"),
    anonymous_id=some("d", "e"),
)
named = st.sampled_from(
    [
        Identifier("customer_number", "north", "1"),
        Identifier("customer_number", "south", "2"),
        *(Identifier("email", "", email) for email in EMAILS[:4]),
        Identifier("phone", "", "+491"),
        Identifier("device", "", "d"),
    ]
)
decided = st.builds(
    Decision, st.sampled_from(["cut", "join", "shared", "trusted", "undo"]), named, named
).filter(lambda decision: decision.first != decision.second)
steps = st.lists(
    st.tuples(st.lists(versions, max_size=6), st.lists(decided, max_size=2)), min_size=2, max_size=4
)
COLUMNS = Version._fields[3:]


def write_observations(url: str, batches: list[list[Version]], run_id: int) -> None:
    """What dbt leaves after these batches: a row for each combination that a record or a source has shown."""
    found: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    for batch, rows in enumerate(batches, 1):
        for line, row in enumerate(rows):
            newest[row.source, row.record] = max((batch, line), newest.get((row.source, row.record), (0, 0)))
            if any(row[3:]):
                found.setdefault((*row[:2], *row[3:]), []).append((batch, line))
    seen_now = {(row.source, row.record) for row in batches[-1]}
    with psycopg.connect(url) as connection:
        for key, places in found.items():
            is_current = key[1] == "" or newest[key[:2]] in places
            hours = [batches[batch - 1][line].hour for batch, line in places]
            first_batch = min(places)[0]
            first_hour = min(batches[b - 1][line].hour for b, line in places if b == first_batch)
            fresh = key[:2] in seen_now if key[1] else max(places)[0] == len(batches)
            connection.execute(
                """
                delete from intermediate.int_identity_observations
                where (source, record_id, customer_number, contact_id, email, phone, anonymous_id)
                    is not distinct from (%s, %s, %s, %s, %s, %s, %s) and %s
                """,
                [*key, fresh],
            )
            if fresh:
                times = [START + hour * SECOND for hour in (first_hour, min(hours), max(hours))]
                connection.execute(
                    f"""
                    insert into intermediate.int_identity_observations (
                        stream, source, record_id, {", ".join(COLUMNS)}, first_batch_id, batch_first_seen_at,
                        first_seen_at, last_seen_at, is_current, run_id
                    )
                    values ('s', {", ".join(["%s"] * (9 + len(COLUMNS) - 1))})
                    """.encode(),
                    [*key, first_batch, *times, is_current, run_id],
                )
        connection.execute("analyze intermediate.int_identity_observations")


START = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


def decide(url: str, made: list[Decision]) -> None:
    with psycopg.connect(url) as connection:
        for decision, first, second in made:
            if decision == "undo":
                last = connection.execute("select max(decision_id) from identity.decisions").fetchone()
                if last is not None and last[0] is not None:
                    decisions.undo(connection, last[0], by="test")
            else:
                pair = second if decision in ("cut", "join") else None
                decisions.decide(connection, decision, first, pair, by="test")  # type: ignore[arg-type]


def state(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that does not name a run. Old ids that no identifier leads to are history, not state."""
    queries = {
        "identifiers": "select * from identity.identifiers order by kind, source, value",
        "reviews": "select kind, source, value, linked_kind, linked_source, links from identity.reviews "
        "order by kind, source, value",
        "counts": "select customers, identifiers from identity.watermark",
    }
    with psycopg.connect(url) as connection:
        return {name: connection.execute(query.encode()).fetchall() for name, query in queries.items()}


def assert_old_ids_lead_to_people(url: str) -> None:
    """A redirect ends at once, at a customer with an identifier; an id leads to where its identifier is."""
    with psycopg.connect(url) as connection:
        wrong = connection.execute(
            """
            select old_customer_id from identity.merges
            where
                customer_id not in (select customer_id from identity.identifiers)
                or old_customer_id in (select customer_id from identity.identifiers)
            union all
            select customers.customer_id
            from identity.customers
            inner join identity.identifiers using (kind, source, value)
            left join identity.merges on customers.customer_id = merges.old_customer_id
            where coalesce(merges.customer_id, customers.customer_id) <> identifiers.customer_id
            """
        ).fetchall()
    assert wrong == []


def assert_changes_add_up(url: str, run: ledger.Run, before: list[tuple[Any, ...]]) -> None:
    """What the run says it changed is the difference between before and now."""
    with psycopg.connect(url) as connection:
        told = connection.execute(
            "select kind, source, value, old_customer_id, new_customer_id from identity.identifier_changes "
            "where run_id = %s",
            [run.run_id],
        ).fetchall()
    old, new = ({row[:3]: row[3] for row in rows} for rows in (before, state(url)["identifiers"]))
    assert {(*key, old.get(key), new.get(key)) for key in old | new if old.get(key) != new.get(key)} == set(
        told
    )


@pytest.fixture
def begin(observations_url: str) -> Callable[[], None]:
    """Forget everything that was resolved."""

    def forget() -> None:
        with psycopg.connect(observations_url) as connection:
            connection.execute(
                """
                truncate identity.customers, identity.identifiers, identity.merges, identity.changes,
                identity.identifier_changes, identity.watermark, identity.reviews, identity.email_forms
                """
            )

    return forget


EXAMPLES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(parent=EXAMPLES, max_examples=10)
@given(steps=steps)
def test_run_by_run_is_as_at_once(
    steps: list[tuple[list[Version], list[Decision]]],
    observations_url: str,
    begin: Callable[[], None],
    open_run: Callable[..., ledger.Run],
) -> None:
    assert_run_by_run_is_as_at_once(steps, observations_url, begin, open_run)


@pytest.mark.long
@settings(parent=EXAMPLES, max_examples=100)
@given(steps=steps)
def test_run_by_run_is_as_at_once_in_many_more_ways(
    steps: list[tuple[list[Version], list[Decision]]],
    observations_url: str,
    begin: Callable[[], None],
    open_run: Callable[..., ledger.Run],
) -> None:
    assert_run_by_run_is_as_at_once(steps, observations_url, begin, open_run)


def assert_run_by_run_is_as_at_once(
    steps: list[tuple[list[Version], list[Decision]]],
    observations_url: str,
    begin: Callable[[], None],
    open_run: Callable[..., ledger.Run],
) -> None:
    begin()
    with psycopg.connect(observations_url) as connection:
        connection.execute(
            "truncate intermediate.int_identity_observations, identity.decisions, ops.runs cascade"
        )
    batches: list[list[Version]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "MOST_NEWS", 1.0)
        for number, (rows, made) in enumerate(steps, 1):
            batches.append(rows)
            run = open_run(number)
            write_observations(observations_url, batches, run.run_id)
            decide(observations_url, made)
            before = state(observations_url)["identifiers"]
            resolve_identity(observations_url, run, IDENTITY)
            assert_old_ids_lead_to_people(observations_url)
            if number > 1:
                assert_changes_add_up(observations_url, run, before)
    in_steps = state(observations_url)
    begin()
    resolve_identity(observations_url, open_run(len(steps)), IDENTITY)
    assert in_steps == state(observations_url)
