"""The one PostgreSQL database: connecting, migrating, and keeping two runs apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg

from rapport import roles
from rapport.errors import DiskFull, RunInProgress, WarehouseTooOld, WarehouseUnavailable
from rapport.settings import Settings

OLDEST_MAJOR_VERSION = 15
RUN_LOCK = 0x7261_7070  # "rapp": the advisory lock that one run at a time may hold
MIGRATIONS = Path(__file__).parent / "migrations"

_run_lock_holders: dict[str, int] = {}


def ensure(settings: Settings) -> str:
    """The warehouse's URL, after starting the embedded server where the settings name no other.

    Raises:
        WarehouseUnavailable: the embedded server cannot run here; the message says what to do instead.
    """
    if settings.warehouse_url is not None:
        return settings.warehouse_url
    from rapport.embedded_postgres import EmbeddedPostgres

    return EmbeddedPostgres(settings.home / "postgres", settings.postgres_bin).start().url("rapport")


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """A connection whose session speaks UTC.

    Raises:
        WarehouseUnavailable: nothing answers at the URL, or it refuses the log-in.
        WarehouseTooOld: the server is older than PostgreSQL 15.
    """
    try:
        connection = psycopg.connect(
            url,
            autocommit=autocommit,
            connect_timeout=10,
            application_name="rapport",
            options="-c timezone=UTC -c datestyle=ISO",
        )
    except psycopg.OperationalError as error:
        raise WarehouseUnavailable(
            f"the warehouse at {without_password(url)} does not answer: {_first_line(error)}. "
            "Start it, or set RAPPORT_WAREHOUSE_URL to one that runs."
        ) from None
    except psycopg.ProgrammingError as error:
        raise WarehouseUnavailable(
            f"RAPPORT_WAREHOUSE_URL is no PostgreSQL URL ({_first_line(error)}); "
            "it looks like postgresql://user:password@host:5432/database"
        ) from None
    if connection.info.server_version < OLDEST_MAJOR_VERSION * 10_000:
        major = connection.info.server_version // 10_000
        connection.close()
        raise WarehouseTooOld(
            f"the warehouse at {without_password(url)} runs PostgreSQL {major}; "
            f"Rapport needs {OLDEST_MAJOR_VERSION} or newer"
        )
    return connection


def migrate(url: str) -> bool:
    """Bring the tables that dbt does not own, and the roles, to this version; a second call changes nothing.

    Returns False where the roles are not there and the user may not make them.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, pool, text

    connect(url).close()
    engine = create_engine(sqlalchemy_url(url), poolclass=pool.NullPool)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": RUN_LOCK + 1})
        connection.execute(text("create schema if not exists ops"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    with connect(url) as session:
        session.execute("select pg_advisory_xact_lock(%s)", [RUN_LOCK + 1])
        return roles.ensure(session)


@contextmanager
def run_lock(url: str, *, patience: int = 0) -> Iterator[None]:
    """Hold the warehouse for one run. The process that holds it may take it again.

    Args:
        patience: how many seconds to wait for another process that holds it.

    Raises:
        RunInProgress: another process holds it.
    """
    if _run_lock_holders.get(url, 0) > 0:
        _run_lock_holders[url] += 1
        try:
            yield
        finally:
            _run_lock_holders[url] -= 1
        return
    with connect(url, autocommit=True) as connection:
        # A lock_timeout of 0 would wait forever.
        connection.execute("select set_config('lock_timeout', %s, false)", [f"{patience * 1000 or 1}ms"])
        try:
            connection.execute("select pg_advisory_lock(%s)", [RUN_LOCK])
        except psycopg.errors.LockNotAvailable:
            raise RunInProgress(
                f"another run is at work on {without_password(url)}; wait for it to end, "
                "or see `rapport status` for what it is doing"
            ) from None
        _run_lock_holders[url] = 1
        try:
            yield
        finally:
            del _run_lock_holders[url]


@contextmanager
def disk_errors_named(where: str) -> Iterator[None]:
    """Turn the ways in which a full disk shows into `DiskFull`, naming where it happened."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise DiskFull(
            f"{where}: the warehouse's disk is full ({_first_line(error)}); "
            "nothing of this step was kept, free some room and run again"
        ) from error
    except OSError as error:
        import errno

        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"{where}: no space left on this machine's disk; free some room and run again"
        ) from error


def sqlalchemy_url(url: str) -> str:
    """The same database for SQLAlchemy, through psycopg 3."""
    return f"postgresql+psycopg://{url.partition('://')[2]}"


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user = quote(parts.username or "", safe="")
    address = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:***@{address}" if user else address).geturl()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
