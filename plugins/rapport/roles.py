"""Who may read what in the warehouse: roles without a log-in, which a team grants to its people.

`<database>_reader` reads `reporting` and `segments`, where personal data is masked; `<database>_marketer`
reads `marts` as well; `<database>_pipeline` reads and writes everything. Tables that dbt makes anew come with
their grants, through default privileges. `<database>_public` is the public pages' own: it may call the
functions of `public_pages` and touches no table.
"""

import psycopg
from psycopg import sql

SCHEMAS = (
    "ops",
    "raw",
    "staging",
    "intermediate",
    "identity",
    "marts",
    "reporting",
    "segments",
    "activation",
)
READS = {"reader": ("reporting", "segments"), "marketer": ("marts", "reporting", "segments")}


def ensure(connection: psycopg.Connection) -> bool:
    """Make the roles and their grants, in the connection's transaction; a second call changes nothing.

    Returns False where the user may not make roles and they are not there yet; the warehouse works without.
    """
    for schema in SCHEMAS:
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
    names = {role: f"{connection.info.dbname}_{role}" for role in (*READS, "pipeline", "public")}
    for name in names.values():
        if not _create(connection, name):
            return False
    for role, schemas in READS.items():
        for schema in schemas:
            _grant(connection, names[role], schema, usage="usage", tables="select")
    for schema in SCHEMAS:
        _grant(connection, names["pipeline"], schema, usage="usage, create", tables="all")
    for statement in (
        "grant usage on schema public_pages to {}",
        "grant execute on all functions in schema public_pages to {}",
    ):
        connection.execute(sql.SQL(statement).format(sql.Identifier(names["public"])))
    return True


def ensure_public_login(connection: psycopg.Connection, name: str, password: str) -> None:
    """Let somebody log in as the public pages: the user `name` with this password, and with no other right.

    Raises:
        psycopg.errors.InsufficientPrivilege: the connection's user may not make users.
    """
    user = sql.Identifier(name)
    with connection.transaction():
        _create(connection, name)
        for statement in (
            sql.SQL("alter role {} login connection limit 30 password {}").format(
                user, sql.Literal(password)
            ),
            sql.SQL("alter role {} set statement_timeout = '10s'").format(user),
            sql.SQL("grant {} to {}").format(sql.Identifier(f"{connection.info.dbname}_public"), user),
        ):
            connection.execute(statement)


def _create(connection: psycopg.Connection, name: str) -> bool:
    """Make a role that cannot log in; False where that is not allowed. Roles are the whole server's."""
    if connection.execute("select from pg_roles where rolname = %s", [name]).fetchone():
        return True
    try:
        with connection.transaction():
            connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        return False
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # another database's migration
        return True
    return True


def _grant(connection: psycopg.Connection, role: str, schema: str, *, usage: str, tables: str) -> None:
    for statement in (
        f"grant {usage} on schema {{schema}} to {{role}}",
        f"grant {tables} on all tables in schema {{schema}} to {{role}}",
        f"alter default privileges in schema {{schema}} grant {tables} on tables to {{role}}",
    ):
        connection.execute(
            sql.SQL(statement).format(schema=sql.Identifier(schema), role=sql.Identifier(role))
        )
