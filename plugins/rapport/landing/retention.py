"""How long what loading leaves behind is kept: config/landing.yml, and the removal of what is older."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import psycopg
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from rapport.campaigns.durations import parse_duration
from rapport.campaigns.files import read_optional
from rapport.landing import event_months
from rapport.landing.kept_files import KeptFiles
from rapport.settings import Settings

FILE_NAME = "landing.yml"


def _age(written: Any) -> Any:
    # A bare off is false in YAML.
    if written in (False, "off", "forever"):
        return None if written == "forever" else timedelta(0)
    return parse_duration(written)


# Nothing is kept for no time at all; None is forever.
Age = Annotated[
    timedelta | None,
    BeforeValidator(_age),
    WithJsonSchema({"type": ["string", "boolean"], "examples": ["30d", "forever", "off"]}),
]


class Retention(BaseModel):
    """The part `retention` of config/landing.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kept_files: Age = Field(
        default=timedelta(days=30), description="Copies of the files that were read; or off."
    )
    rejected_rows: Age = Field(default=timedelta(days=90), description="Rows that could not be loaded.")
    web_events: Age = Field(default=None, description="Visits, by whole months; default forever.")


class LandingFile(BaseModel):
    """config/landing.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kept_files: str = Field(
        default="$RAPPORT_HOME/kept", min_length=1, description="A folder or a URL; $NAME is a variable."
    )
    connection: str | None = Field(
        default=None, description="The Airflow connection of an object store; default: its own credentials."
    )
    retention: Retention = Retention()


@dataclass(frozen=True)
class Tidied:
    """What was removed. `partitions` are months of web_events, as 2024-01; `notes` those of change_notes,
    `skipped_messages` those of campaigns.forgetting.
    """

    kept_files: int = 0
    kept_bytes: int = 0
    rejected_rows: int = 0
    partitions: tuple[str, ...] = ()
    notes: int = 0
    skipped_messages: int = 0

    def sentence(self) -> str:
        """What was removed, for people."""
        parts = []
        if self.kept_files:
            parts.append(f"{self.kept_files:,} kept files ({self.kept_bytes / 1e6:,.1f} MB)")
        if self.rejected_rows:
            parts.append(f"{self.rejected_rows:,} rejected rows")
        if self.partitions:
            parts.append(f"visits of {', '.join(self.partitions)}")
        if self.notes:
            parts.append(f"{self.notes:,} notes of changes that no run needs any more")
        if self.skipped_messages:
            parts.append(f"{self.skipped_messages:,} rows of people whom a campaign skipped")
        return f"removed {', '.join(parts)}" if parts else "nothing was old enough to be removed"


@dataclass(frozen=True)
class Kept:
    """What config/landing.yml says. `store` is None where no file is kept."""

    store: KeptFiles | None
    connection: str | None
    retention: Retention


def read_retention(settings: Settings) -> Kept:
    """config/landing.yml, or the defaults where there is none.

    Raises:
        ConfigurationError: a key or value of it is wrong.
    """
    file = read_optional(settings.config / FILE_NAME, LandingFile) or LandingFile()
    if file.retention.kept_files == timedelta(0):
        return Kept(None, file.connection, file.retention)
    store = KeptFiles.at(file.kept_files, settings, file.connection)
    return Kept(store, file.connection, file.retention)


def anything_old(connection: psycopg.Connection, settings: Settings, now: datetime) -> bool:
    """Whether `tidy` would find anything.

    Raises:
        ConfigurationError: config/landing.yml is wrong.
    """
    retention = read_retention(settings).retention
    if retention.kept_files is not None and _old_copies(connection, now - retention.kept_files):
        return True
    row = connection.execute(
        """
        select
            exists (select from ops.rejected_records where rejected_at < %(rejected)s),
            exists (select from raw.web_events where occurred_at < %(visits)s)
        """,
        {
            "rejected": None if retention.rejected_rows is None else now - retention.rejected_rows,
            "visits": None if retention.web_events is None else _month_of(now - retention.web_events),
        },
    ).fetchone()
    return row is not None and any(row)


def tidy(connection: psycopg.Connection, settings: Settings, now: datetime) -> Tidied:
    """Remove what is older than its retention. The connection is in autocommit.

    Raises:
        ConfigurationError: config/landing.yml is wrong.
    """
    kept = read_retention(settings)
    files, size = _remove_kept_files(connection, settings, kept.connection, kept.retention.kept_files, now)
    rows = 0
    if kept.retention.rejected_rows is not None:
        rows = connection.execute(
            "delete from ops.rejected_records where rejected_at < %s", [now - kept.retention.rejected_rows]
        ).rowcount
    months: tuple[str, ...] = ()
    if kept.retention.web_events is not None:
        with connection.transaction():
            dropped = event_months.drop_months(connection, before=(now - kept.retention.web_events).date())
        months = tuple(f"{partition.month:%Y-%m}" for partition in dropped)
    return Tidied(files, size, rows, months)


def _remove_kept_files(
    connection: psycopg.Connection,
    settings: Settings,
    connection_name: str | None,
    age: timedelta | None,
    now: datetime,
) -> tuple[int, int]:
    if age is None:
        return 0, 0
    old = _old_copies(connection, now - age)
    for file_hash, location, _ in old:
        # In this order: a copy that is there and not noted would stay for good.
        KeptFiles.at(location, settings, connection_name).remove(file_hash)
        connection.execute("update ops.kept_files set removed_at = now() where file_hash = %s", [file_hash])
    stored = [size for _, _, size in old if size is not None]
    return len(stored), sum(stored)


def _old_copies(connection: psycopg.Connection, before: datetime) -> list[tuple[str, str, int | None]]:
    """(hash, location, bytes) of the copies from then or before; what is held stays until it is decided."""
    return connection.execute(
        """
        select file_hash, location, stored_bytes from ops.kept_files
        where removed_at is null and kept_at <= %s
            and not exists (
                select from ops.load_batches
                where load_batches.file_hash = kept_files.file_hash
                    and state = 'held' and superseded_at is null
            )
        order by kept_at
        """,
        [before],
    ).fetchall()


def _month_of(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
