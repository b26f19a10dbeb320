"""Who is who: the identity tables brought to what the run's observations say, in one transaction."""

from dataclasses import dataclass

import psycopg

from rapport import warehouse
from rapport.identity import decisions, redirects, tables, working_set
from rapport.identity.configuration import Identity
from rapport.identity.decisions import Decisions
from rapport.identity.resolution import Resolution, resolve
from rapport.identity.working_set import OBSERVED, WorkingSet
from rapport.ledger import Run

# Where more of the observations than this are new, reading all of them is faster than looking each up.
MOST_NEWS = 0.2


@dataclass(frozen=True)
class IdentityCounts:
    """How the graph looks after a run, and what the run did to it.

    Attributes:
        customers: customers that have an identifier now.
        identifiers: identifiers of customers.
        merged: customers that this run redirected to an older one.
        moved: identifiers that changed from one customer to another in this run.
        to_review: identifiers that stopped linking and wait for a person to look at them.
    """

    customers: int
    identifiers: int
    merged: int
    moved: int
    to_review: int


@dataclass(frozen=True)
class _Watermark:
    run_id: int
    rules: str | None
    newest_decision_id: int


def resolve_identity(url: str, run: Run, identity: Identity | None = None) -> IdentityCounts:
    """Bring the identity tables to what `intermediate.int_identity_observations` says.

    Only the customers are looked at that observations written, and decisions taken, since the last call
    reach; all of them where the run is a rebuild, the rules (`identity`, default: as shipped) are others, or
    most observations are new. The result is the same. Repeating the call changes nothing; killed half-way it
    has done nothing.

    Raises:
        ValueError: the run's loads are not fixed yet (`ledger.fix_batches`).
    """
    if run.max_batch_id is None:
        raise ValueError(
            f"run {run.run_id} has no max_batch_id yet; fix its batches before resolving identity"
        )
    identity = identity or Identity()
    with warehouse.connect(url) as connection, warehouse.disk_errors_named("resolving identity"):
        connection.execute("set local work_mem = '64MB'")
        connection.execute("set local jit = off")  # it compiles longer than these queries take
        connection.execute("lock table identity.customers in share row exclusive mode")
        holding = decisions.read(connection)
        found = _working_set(connection, run, identity, holding)
        resolution = resolve(found.observed, found.rules, found.whole)
        _write(connection, run, identity, holding, found, resolution)
        return _counts(connection, run)


def _working_set(
    connection: psycopg.Connection, run: Run, identity: Identity, holding: Decisions
) -> WorkingSet:
    watermark = _watermark(connection)
    if (
        watermark is None
        or run.is_rebuild
        or watermark.rules != identity.content()
        or not redirects.are_sound(connection)
        or _share_of_news(connection, watermark) > MOST_NEWS
    ):
        return working_set.everything(connection, identity, holding)
    # A few thousand probes of a million rows are cheaper than a planner that expects a cold disk believes.
    for setting in ("enable_seqscan = off", "enable_mergejoin = off", "random_page_cost = 1.1"):
        connection.execute(f"set local {setting}".encode())
    return working_set.reached(
        connection,
        identity,
        holding,
        after_run_id=watermark.run_id,
        decided=decisions.since(connection, watermark.newest_decision_id),
    )


def _write(
    connection: psycopg.Connection,
    run: Run,
    identity: Identity,
    holding: Decisions,
    found: WorkingSet,
    resolution: Resolution,
) -> None:
    is_everything = found.taken_apart is None
    if is_everything and tables.are_empty(connection):
        customers, identifiers = tables.fill(connection, run.run_id, resolution)
    else:
        customers, identifiers = tables.bring_to(connection, run.run_id, resolution, found.taken_apart)
    if is_everything:
        redirects.mend(connection, run.run_id)
        customers, identifiers = len(resolution.customers), len(resolution.identifiers)
    tables.write_reviews(connection, run.run_id, found.reviews, found.looked_at)
    connection.execute(
        """
        insert into identity.watermark (
            run_id, as_of, max_batch_id, rules, newest_decision_id, customers, identifiers
        )
        values (
            %(run_id)s, %(as_of)s, %(max_batch_id)s, %(rules)s, %(decision)s, %(customers)s, %(identifiers)s
        )
        on conflict (is_only) do update
        set
            run_id = excluded.run_id,
            as_of = excluded.as_of,
            max_batch_id = excluded.max_batch_id,
            rules = excluded.rules,
            newest_decision_id = excluded.newest_decision_id,
            customers = excluded.customers + case when %(grown)s then watermark.customers else 0 end,
            identifiers = excluded.identifiers + case when %(grown)s then watermark.identifiers else 0 end
        """,
        {
            "run_id": run.run_id,
            "as_of": run.as_of,
            "max_batch_id": run.max_batch_id,
            "rules": identity.content(),
            "decision": holding.newest_id,
            "customers": customers,
            "identifiers": identifiers,
            "grown": not is_everything,
        },
    )


def _watermark(connection: psycopg.Connection) -> _Watermark | None:
    row = connection.execute("select run_id, rules, newest_decision_id from identity.watermark").fetchone()
    return _Watermark(*row) if row is not None else None


def _share_of_news(connection: psycopg.Connection, watermark: _Watermark) -> float:
    """How much of the observations was written after the watermark's run."""
    row = connection.execute(
        f"""
        select
            (select count(*) from {OBSERVED} where run_id > %(run_id)s),
            (select greatest(reltuples, 0) from pg_class where oid = '{OBSERVED}'::regclass)
        """.encode(),
        {"run_id": watermark.run_id},
    ).fetchone()
    assert row is not None
    news, known = row
    # A table that was never analysed is small or new.
    return float(news) / known if known else 1.0


def _counts(connection: psycopg.Connection, run: Run) -> IdentityCounts:
    row = connection.execute(
        """
        select
            watermark.customers,
            watermark.identifiers,
            (select count(*) from identity.merges where run_id = %(run_id)s),
            (
                select coalesce(sum(identifiers), 0) from identity.changes
                where run_id = %(run_id)s and old_customer_id is not null and new_customer_id is not null
            ),
            (select count(*) from identity.reviews)
        from identity.watermark
        """,
        {"run_id": run.run_id},
    ).fetchone()
    assert row is not None
    return IdentityCounts(*(int(count) for count in row))
