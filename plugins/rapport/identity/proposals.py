"""Merges that are proposed: customers who look like one person. A person says whether they are."""

import psycopg
import pyarrow as pa
from psycopg import sql

from rapport.errors import ConfigurationError
from rapport.identity import copying
from rapport.identity.matching import LABELS, PAIRS, RECORDS, likely_pairs, normalised

_CUSTOMERS = """
    select
        customers.customer_id, customers.first_name, customers.last_name, born.birth_date, customers.city,
        customers.postal_code
    from marts.customers
    left join (
        select identifiers.customer_id, min(contacts.birth_date)::text as birth_date
        from staging.stg_contacts as contacts
        inner join identity.identifiers
            on
                identifiers.kind = 'contact' and identifiers.source = contacts.source
                and identifiers.value = contacts.contact_id
        group by identifiers.customer_id
    ) as born using (customer_id)
    where customers.last_name is not null
"""


def propose(connection: psycopg.Connection, *, threshold: float) -> int:
    """Replace identity.proposals by what the customers of the last run suggest; how many there are.

    Nothing is merged. Pairs that a person cut apart are not proposed again.

    Raises:
        ConfigurationError: there is no customer view yet.
    """
    row = connection.execute("select to_regclass('marts.customers') is not null").fetchone()
    if row is None or not row[0]:
        raise ConfigurationError("there are no customers yet; `rapport run` builds the customer view")
    customers = copying.read(connection, _CUSTOMERS, RECORDS)
    for name in LABELS:
        place = customers.column_names.index(name)
        customers = customers.set_column(place, name, normalised(customers[name]))
    found = likely_pairs(customers, threshold=threshold)
    connection.execute("lock table identity.proposals in share row exclusive mode")
    connection.execute("delete from identity.proposals")
    _write(connection, found)
    return _without_cuts(connection)


def _write(connection: psycopg.Connection, found: pa.Table) -> None:
    row = connection.execute("select coalesce(max(run_id), 0) from identity.watermark").fetchone()
    assert row is not None
    names = dict(zip(PAIRS.names, ("customer_id_a", "customer_id_b", "probability", "evidence"), strict=True))
    proposals = found.rename_columns([names[name] for name in found.column_names])
    proposals = proposals.append_column("proposed_run_id", pa.array([row[0]] * len(found), pa.int64()))
    copying.write(connection, sql.Identifier("identity", "proposals"), proposals)


def _without_cuts(connection: psycopg.Connection) -> int:
    """Take away the proposals that a person has answered with no; how many are left."""
    connection.execute(
        """
        delete from identity.proposals
        using identity.decisions, identity.identifiers as one, identity.identifiers as other
        where
            decisions.decision = 'cut'
            and not exists (
                select from identity.decisions as others where others.undoes = decisions.decision_id
            )
            and one.kind = decisions.kind_a and one.source = decisions.source_a
            and one.value = decisions.value_a
            and other.kind = decisions.kind_b and other.source = decisions.source_b
            and other.value = decisions.value_b
            and proposals.customer_id_a = least(one.customer_id, other.customer_id)
            and proposals.customer_id_b = greatest(one.customer_id, other.customer_id)
        """
    )
    row = connection.execute("select count(*) from identity.proposals").fetchone()
    assert row is not None
    return int(row[0])
