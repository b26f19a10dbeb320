"""Whom the public pages log in to the database as, and the proof that this user can do nothing else."""

import secrets
from urllib.parse import quote, unquote, urlsplit

from rapport import roles, warehouse
from rapport.errors import ConfigurationError
from rapport.secret_files import secret
from rapport.settings import Settings


def database_url(settings: Settings) -> str:
    """RAPPORT_PUBLIC_DATABASE_URL; on the embedded server a log-in that is made here.

    Raises:
        ConfigurationError: the warehouse is the user's own and nothing names a log-in.
        WarehouseUnavailable: the embedded server cannot run here.
    """
    if settings.public_database_url is not None:
        return settings.public_database_url
    if settings.warehouse_url is not None:
        raise ConfigurationError(
            "RAPPORT_PUBLIC_DATABASE_URL is not set; it names the log-in of `rapport serve`, such as "
            "postgresql://rapport_public_login:password@host:5432/rapport. With it, `rapport migrate` makes "
            "that user; or make one yourself and grant it the role <database>_public"
        )
    owner = warehouse.ensure(settings)
    warehouse.migrate(owner)
    parts = urlsplit(owner)
    name = f"{parts.path.removeprefix('/')}_public_login"
    password = secret(settings.home / "secrets" / "public_login", lambda: secrets.token_urlsafe(24))
    address = parts.netloc.rpartition("@")[2]
    url = parts._replace(netloc=f"{name}:{quote(password, safe='')}@{address}").geturl()
    ensure_login(owner, url)
    return url


def ensure_login(owner_url: str, public_url: str) -> None:
    """Make the user of `public_url`, with its password and the public pages' role.

    Raises:
        ConfigurationError: the URL names no user, or no password, or the user of `owner_url` itself.
        psycopg.errors.InsufficientPrivilege: the user of `owner_url` may not make users.
    """
    parts = urlsplit(public_url)
    if not parts.username or not parts.password or parts.username == urlsplit(owner_url).username:
        raise ConfigurationError(
            "RAPPORT_PUBLIC_DATABASE_URL needs a user of its own and a password, such as "
            "postgresql://rapport_public_login:password@host:5432/rapport"
        )
    with warehouse.connect(owner_url) as connection:
        roles.ensure_public_login(connection, unquote(parts.username), unquote(parts.password))


def check_login(url: str) -> None:
    """Refuse a log-in that reaches more than the functions it is for, or not those.

    Raises:
        ConfigurationError: see above.
        WarehouseUnavailable: nobody can log in so.
    """
    with warehouse.connect(url) as connection:
        user, database = connection.info.user, connection.info.dbname
        is_super, too_wide, may_call = connection.execute(
            """
            select
                (select rolsuper from pg_roles where rolname = current_user),
                (
                    select string_agg(nspname, ', ' order by nspname) from pg_namespace
                    where nspname = any(%s) and has_schema_privilege(oid, 'usage')
                ),
                exists (
                    select from pg_namespace
                    where nspname = 'public_pages' and has_schema_privilege(oid, 'usage')
                )
            """,
            [list(roles.SCHEMAS)],
        ).fetchone() or (False, None, False)
    if is_super or too_wide:
        what = "is a superuser" if is_super else f"may use {too_wide}"
        raise ConfigurationError(
            f"the log-in of the public pages, {user}, {what}; "
            f"it needs the role {database}_public and no other"
        )
    if not may_call:
        raise ConfigurationError(
            f"the log-in of the public pages, {user}, may not call their functions: run `rapport migrate`, "
            f"then `grant {database}_public to {user}`"
        )
