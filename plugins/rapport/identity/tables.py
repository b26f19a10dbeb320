"""Writing the identity tables by differences: a row that is right already is not touched."""

import psycopg
import pyarrow as pa
from psycopg import sql

from rapport.identity import copying
from rapport.identity.filling import is_empty, without_indexes
from rapport.identity.redirects import redirect
from rapport.identity.resolution import Resolution

_COLUMNS = (
    "kind, source, value, customer_id, first_batch_id, batch_first_seen_at, first_seen_at, last_seen_at"
)


def are_empty(connection: psycopg.Connection) -> bool:
    """Whether nobody was ever resolved here."""
    return all(is_empty(connection, f"identity.{table}") for table in ("identifiers", "customers", "changes"))


def fill(connection: psycopg.Connection, run_id: int, resolution: Resolution) -> tuple[int, int]:
    """Write the resolution into empty tables; how many customers and identifiers there are."""
    run_ids = pa.array([run_id] * len(resolution.customers), pa.int64())
    _fill(connection, "customers", resolution.customers.append_column("created_run_id", run_ids))
    _fill(connection, "identifiers", resolution.identifiers)
    counted = resolution.identifiers["customer_id"].value_counts()
    changes = {
        "run_id": run_ids,
        "new_customer_id": counted.field("values"),
        "identifiers": counted.field("counts"),
    }
    _fill(connection, "changes", pa.table(changes))
    return len(resolution.customers), len(resolution.identifiers)


def bring_to(
    connection: psycopg.Connection, run_id: int, resolution: Resolution, taken_apart: pa.Array | None
) -> tuple[int, int]:
    """Make the tables what the resolution says; by how many customers and identifiers they have grown.

    Args:
        taken_apart: the customers who keep only what the resolution gives them; None: all do. The others keep
            theirs as well, or hand them on where they were absorbed.
    """
    _put(connection, "wanted", sql.SQL("like identity.identifiers"), resolution.identifiers)
    absorbed = sql.SQL("old_customer_id text, customer_id text")
    _put(connection, "absorbed", absorbed, resolution.absorbed)
    apart = pa.table({"customer_id": pa.array([], pa.large_string()) if taken_apart is None else taken_apart})
    _put(connection, "taken_apart", sql.SQL("customer_id text"), apart)
    _find_moved(connection, is_everything=taken_apart is None)
    _put(connection, "named", sql.SQL("like identity.customers"), resolution.customers, run_id=run_id)
    connection.execute(
        """
        insert into identity.customers select * from named
        where exists (select from moved where moved.new_customer_id = named.customer_id)
        on conflict do nothing
        """
    )
    before = _living(connection)
    grown = _write_identifiers(connection)
    after = _living(connection)
    _note_changes(connection, run_id)
    redirect(connection, run_id)
    return after - before, grown


def write_reviews(
    connection: psycopg.Connection, run_id: int, reviews: pa.Table, looked_at: pa.Table | None
) -> None:
    """Replace what is known of the identifiers that were looked at (None: of all)."""
    definition = sql.SQL("like identity.reviews")
    _put(connection, "reviews_now", definition, reviews, run_id=run_id, run_column="since_run_id")
    seen = pa.table({name: pa.array([], pa.large_string()) for name in ("kind", "source", "value")})
    columns = sql.SQL("kind text, source text, value text")
    _put(connection, "reviewed", columns, seen if looked_at is None else looked_at)
    connection.execute(
        f"""
        delete from identity.reviews
        where
            not exists (
                select from reviews_now
                where (reviews_now.kind, reviews_now.source, reviews_now.value)
                    = (reviews.kind, reviews.source, reviews.value)
            )
            {"" if looked_at is None else "and (kind, source, value) in (select * from reviewed)"}
        """.encode()
    )
    connection.execute(
        """
        insert into identity.reviews select * from reviews_now
        on conflict (kind, source, value) do update
        set linked_kind = excluded.linked_kind, linked_source = excluded.linked_source, links = excluded.links
        where
            (reviews.linked_kind, reviews.linked_source, reviews.links)
            <> (excluded.linked_kind, excluded.linked_source, excluded.links)
        """
    )


def _find_moved(connection: psycopg.Connection, *, is_everything: bool) -> None:
    """Fill the temp table `moved`: identifiers whose customer is another now, is nobody, or is the first.

    Customers are asked for as arrays: joins, the planner would do by reading every identifier.
    """
    connection.execute(
        f"""
        create temp table moved on commit drop as
        select
            kind,
            source,
            value,
            old.customer_id as old_customer_id,
            wanted.customer_id as new_customer_id,
            wanted.first_batch_id,
            wanted.batch_first_seen_at
        from wanted
        left join identity.identifiers as old using (kind, source, value)
        where old.customer_id is distinct from wanted.customer_id

        union all

        select kind, source, value, old.customer_id, null, old.first_batch_id, old.batch_first_seen_at
        from identity.identifiers as old
        where
            {"true" if is_everything else "old.customer_id = any(array(select customer_id from taken_apart))"}
            and not exists (
                select from wanted
                where
                    wanted.kind = old.kind and wanted.source = old.source and wanted.value = old.value
            )

        union all

        select
            kind, source, value, old.customer_id, absorbed.customer_id, old.first_batch_id,
            old.batch_first_seen_at
        from absorbed
        inner join identity.identifiers as old on absorbed.old_customer_id = old.customer_id
        where
            old.customer_id = any(array(select old_customer_id from absorbed))
            and not exists (
                select from wanted
                where wanted.kind = old.kind and wanted.source = old.source and wanted.value = old.value
            )
        """.encode()
    )
    connection.execute("create index on moved (kind, source, value)")
    connection.execute("create index on moved (old_customer_id)")
    connection.execute("create index on moved (new_customer_id)")
    connection.execute("analyze moved")


def _living(connection: psycopg.Connection) -> int:
    """How many of the customers that something moved from or to have an identifier."""
    row = connection.execute(
        """
        select count(*) from (
            select old_customer_id as customer_id from moved union select new_customer_id from moved
        ) as touched
        where exists (select from identity.identifiers where identifiers.customer_id = touched.customer_id)
        """
    ).fetchone()
    assert row is not None
    return int(row[0])


def _write_identifiers(connection: psycopg.Connection) -> int:
    """Bring identity.identifiers to `wanted` and `moved`; by how many rows it has grown."""
    gone = connection.execute(
        """
        delete from identity.identifiers using moved
        where
            identifiers.kind = moved.kind and identifiers.source = moved.source
            and identifiers.value = moved.value and moved.new_customer_id is null
        """
    ).rowcount
    come = connection.execute(
        f"""
        insert into identity.identifiers ({_COLUMNS})
        select {_COLUMNS} from wanted
        where exists (
            select from moved
            where
                moved.kind = wanted.kind and moved.source = wanted.source and moved.value = wanted.value
                and moved.old_customer_id is null
        )
        """.encode()
    ).rowcount
    connection.execute(
        """
        update identity.identifiers
        set
            customer_id = wanted.customer_id,
            first_batch_id = wanted.first_batch_id,
            batch_first_seen_at = wanted.batch_first_seen_at,
            first_seen_at = wanted.first_seen_at,
            last_seen_at = wanted.last_seen_at
        from wanted
        where
            identifiers.kind = wanted.kind and identifiers.source = wanted.source
            and identifiers.value = wanted.value
            and (
                identifiers.customer_id, identifiers.first_batch_id, identifiers.batch_first_seen_at,
                identifiers.first_seen_at, identifiers.last_seen_at
            ) is distinct from (
                wanted.customer_id, wanted.first_batch_id, wanted.batch_first_seen_at,
                wanted.first_seen_at, wanted.last_seen_at
            )
        """
    )
    connection.execute(
        """
        update identity.identifiers
        set customer_id = absorbed.customer_id
        from absorbed
        where
            identifiers.customer_id = absorbed.old_customer_id
            and identifiers.customer_id = any(array(select old_customer_id from absorbed))
        """
    )
    return come - gone


def _note_changes(connection: psycopg.Connection, run_id: int) -> None:
    connection.execute(
        """
        insert into identity.identifier_changes (
            run_id, kind, source, value, first_batch_id, old_customer_id, new_customer_id
        )
        select %s, kind, source, value, first_batch_id, old_customer_id, new_customer_id from moved
        on conflict (run_id, kind, source, value) do update set new_customer_id = excluded.new_customer_id
        """,
        [run_id],
    )
    connection.execute(
        """
        insert into identity.changes (run_id, old_customer_id, new_customer_id, identifiers)
        select %s, old_customer_id, new_customer_id, count(*) from moved
        group by old_customer_id, new_customer_id
        on conflict (run_id, old_customer_id, new_customer_id) do update
        set identifiers = changes.identifiers + excluded.identifiers
        """,
        [run_id],
    )


def _fill(connection: psycopg.Connection, table: str, rows: pa.Table) -> None:
    with without_indexes(connection, f"identity.{table}"):
        copying.write(connection, sql.Identifier("identity", table), rows)


def _put(
    connection: psycopg.Connection,
    name: str,
    definition: sql.Composable,
    rows: pa.Table,
    *,
    run_id: int | None = None,
    run_column: str = "created_run_id",
) -> None:
    """A temp table of the rows, in the place of the last one of this name."""
    if run_id is not None:
        rows = rows.append_column(run_column, pa.array([run_id] * len(rows), pa.int64()))
    table = sql.Identifier("pg_temp", name)
    connection.execute(sql.SQL("drop table if exists {}").format(table))
    connection.execute(
        sql.SQL("create temp table {} ({}) on commit drop").format(sql.Identifier(name), definition)
    )
    copying.write(connection, table, rows)
    connection.execute(sql.SQL("analyze {}").format(table))
