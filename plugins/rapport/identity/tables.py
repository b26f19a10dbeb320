"""Writing the identity tables by differences: a row that is right already is not touched."""

import psycopg
import pyarrow as pa
from psycopg import sql

from rapport.identity import copying
from rapport.identity.filling import is_empty, without_indexes
from rapport.identity.resolution import Resolution
from rapport.ledger import Run

IDENTIFIER_KEY = ("kind", "source", "value")
EDGE_KEY = ("kind_a", "source_a", "value_a", "kind_b", "source_b", "value_b", "stream", "source")


def bring_to(connection: psycopg.Connection, run: Run, resolution: Resolution) -> None:
    """Make the identity tables what the resolution says, inside the connection's transaction."""
    run_ids = pa.array([run.run_id] * len(resolution.new_customers), pa.int64())
    new_customers = resolution.new_customers.append_column("created_run_id", run_ids)
    if is_empty(connection, "identity.customers"):
        _fill(connection, "customers", new_customers)
    else:
        copying.write(connection, sql.Identifier("identity", "customers"), new_customers)
    _write_identifiers(connection, run, resolution.identifiers)
    if is_empty(connection, "identity.edges"):
        _fill(connection, "edges", resolution.edges)
    else:
        _find_differences(connection, "edges", EDGE_KEY, resolution.edges)
        _apply_differences(connection, "edges", EDGE_KEY, resolution.edges)
    _replace_merges(connection, run, resolution.merges)
    connection.execute(
        """
        insert into identity.watermark (run_id, as_of, max_batch_id) values (%s, %s, %s)
        on conflict (is_only) do update
        set run_id = excluded.run_id, as_of = excluded.as_of, max_batch_id = excluded.max_batch_id
        """,
        [run.run_id, run.as_of, run.max_batch_id],
    )


def _write_identifiers(connection: psycopg.Connection, run: Run, identifiers: pa.Table) -> None:
    """The identifiers, and in identity.changes which of them went from whom to whom."""
    if is_empty(connection, "identity.identifiers"):
        _fill(connection, "identifiers", identifiers)
        _record_first_customers(connection, run, identifiers)
        return
    _find_differences(connection, "identifiers", IDENTIFIER_KEY, identifiers)
    connection.execute(
        """
        insert into identity.changes (run_id, old_customer_id, new_customer_id, identifiers)
        select %s, old.customer_id, new.customer_id, count(*)
        from identifiers_differences as new
        left join identity.identifiers as old using (kind, source, value)
        where old.customer_id is distinct from new.customer_id
        group by old.customer_id, new.customer_id
        on conflict do nothing
        """,
        [run.run_id],
    )
    _apply_differences(connection, "identifiers", IDENTIFIER_KEY, identifiers)


def _record_first_customers(connection: psycopg.Connection, run: Run, identifiers: pa.Table) -> None:
    counted = identifiers["customer_id"].value_counts()
    changes = pa.table(
        {
            "run_id": pa.array([run.run_id] * len(counted), pa.int64()),
            "new_customer_id": counted.field("values"),
            "identifiers": counted.field("counts"),
        }
    )
    if is_empty(connection, "identity.changes"):
        _fill(connection, "changes", changes)
        return
    connection.execute(
        """
        insert into identity.changes (run_id, old_customer_id, new_customer_id, identifiers)
        select %s, null, customer_id, count(*) from identity.identifiers group by customer_id
        on conflict do nothing
        """,
        [run.run_id],
    )


def _replace_merges(connection: psycopg.Connection, run: Run, merges: pa.Table) -> None:
    connection.execute(
        """
        create temp table wanted_merges (old_customer_id text primary key, customer_id text not null)
        on commit drop
        """
    )
    copying.write(connection, sql.Identifier("wanted_merges"), merges)
    connection.execute(
        """
        delete from identity.merges
        where not exists (
            select from wanted_merges where wanted_merges.old_customer_id = merges.old_customer_id
        )
        """
    )
    connection.execute(
        """
        insert into identity.merges (old_customer_id, customer_id, run_id)
        select old_customer_id, customer_id, %s from wanted_merges
        on conflict (old_customer_id) do update
        set customer_id = excluded.customer_id, run_id = excluded.run_id
        where merges.customer_id <> excluded.customer_id
        """,
        [run.run_id],
    )


def _fill(connection: psycopg.Connection, table: str, rows: pa.Table) -> None:
    with without_indexes(connection, f"identity.{table}"):
        copying.write(connection, sql.Identifier("identity", table), rows)


def _find_differences(
    connection: psycopg.Connection, table: str, key: tuple[str, ...], rows: pa.Table
) -> None:
    """Put what differs between the table and the wanted rows into the temp table <table>_differences.

    A row that is no longer wanted is there with its key and nothing else.
    """
    names = _names(table, key, rows)
    connection.execute(sql.SQL("create temp table {wanted} (like {target}) on commit drop").format(**names))
    copying.write(connection, names["wanted"], rows)
    connection.execute(sql.SQL("analyze {wanted}").format(**names))
    connection.execute(
        sql.SQL(
            """
            create temp table {differences} on commit drop as
            select {key}, {new_rest}
            from {target} as old
            full join {wanted} as new using ({key})
            where ({old_rest}) is distinct from ({new_rest})
            """
        ).format(**names)
    )
    connection.execute(sql.SQL("drop table {wanted}").format(**names))


def _apply_differences(
    connection: psycopg.Connection, table: str, key: tuple[str, ...], rows: pa.Table
) -> None:
    names = _names(table, key, rows)
    connection.execute(
        sql.SQL(
            """
            delete from {target} as old using {differences} as new
            where {same_key} and new.first_batch_id is null
            """
        ).format(**names)
    )
    connection.execute(
        sql.SQL(
            """
            insert into {target} ({key}, {rest})
            select {key}, {rest} from {differences} where first_batch_id is not null
            on conflict ({key}) do update set ({rest}) = row({excluded_rest})
            """
        ).format(**names)
    )


def _names(table: str, key: tuple[str, ...], rows: pa.Table) -> dict[str, sql.Composable]:
    rest = [column for column in rows.column_names if column not in key]

    def listed(columns: tuple[str, ...] | list[str], *prefix: str) -> sql.Composable:
        return sql.SQL(", ").join(sql.Identifier(*prefix, column) for column in columns)

    return {
        "target": sql.Identifier("identity", table),
        "wanted": sql.Identifier(f"{table}_wanted"),
        "differences": sql.Identifier(f"{table}_differences"),
        "key": listed(key),
        "rest": listed(rest),
        "old_rest": listed(rest, "old"),
        "new_rest": listed(rest, "new"),
        "excluded_rest": listed(rest, "excluded"),
        "same_key": sql.SQL(" and ").join(
            sql.SQL("{} = {}").format(sql.Identifier("old", column), sql.Identifier("new", column))
            for column in key
        ),
    }
