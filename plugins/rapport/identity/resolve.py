"""Who is who: the identity tables brought to what the run's observations say, in one transaction."""

from dataclasses import dataclass

import psycopg

from rapport import warehouse
from rapport.identity import copying, tables
from rapport.identity.observations import OBSERVATIONS, observe
from rapport.identity.resolution import REGISTERED, resolve
from rapport.ledger import Run


@dataclass(frozen=True)
class IdentityCounts:
    """How the graph looks after a run, and what the run did to it.

    Attributes:
        customers: customers that have an identifier now.
        identifiers: identifiers of customers.
        edges: pairs of identifiers seen together, by stream and source.
        merged: customers that this run redirected to an older one.
        moved: identifiers that changed from one customer to another in this run.
    """

    customers: int
    identifiers: int
    edges: int
    merged: int
    moved: int


def resolve_identity(url: str, run: Run) -> IdentityCounts:
    """Bring the identity tables to what `intermediate.int_identity_observations` says.

    Repeating the call changes nothing; killed half-way it has done nothing.

    Raises:
        ValueError: the run's loads are not fixed yet (`ledger.fix_batches`).
    """
    if run.max_batch_id is None:
        raise ValueError(
            f"run {run.run_id} has no max_batch_id yet; fix its batches before resolving identity"
        )
    with warehouse.connect(url) as connection, warehouse.disk_errors_named("resolving identity"):
        connection.execute("set local work_mem = '64MB'")
        connection.execute("lock table identity.customers in share row exclusive mode")
        observations = copying.read(
            connection,
            f"select {', '.join(OBSERVATIONS.names)} from intermediate.int_identity_observations",
            OBSERVATIONS,
        )
        customers = copying.read(
            connection, f"select {', '.join(REGISTERED.names)} from identity.customers", REGISTERED
        )
        observed = observe(observations)
        del observations  # a tenth of a gigabyte per million
        resolution = resolve(observed, customers)
        del observed, customers
        tables.bring_to(connection, run, resolution)
        return _counts(connection, run)


def _counts(connection: psycopg.Connection, run: Run) -> IdentityCounts:
    row = connection.execute(
        """
        select
            (select count(*) from (select from identity.identifiers group by customer_id) as customers),
            (select count(*) from identity.identifiers),
            (select count(*) from identity.edges),
            (select count(*) from identity.merges where run_id = %(run_id)s),
            (
                select coalesce(sum(identifiers), 0) from identity.changes
                where run_id = %(run_id)s and old_customer_id is not null and new_customer_id is not null
            )
        """,
        {"run_id": run.run_id},
    ).fetchone()
    assert row is not None
    return IdentityCounts(*(int(count) for count in row))
