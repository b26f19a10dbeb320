"""Where this installation keeps its things: the one place that reads Rapport's environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rapport.errors import ConfigurationError

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """`warehouse_url` is None where Rapport runs its own PostgreSQL under `home`, with the programs of
    `postgres_bin` where that is given. `port` is where Airflow's pages are. `public_database_url` is the
    log-in of `rapport serve`; `webhook_keys` verify SendGrid's events; the first of
    `unsubscribe_keys` signs links."""

    home: Path
    config: Path
    warehouse_url: str | None
    recipient_key: str | None
    alert_webhook: str | None
    postgres_bin: Path | None = None
    port: int = 8080
    sendgrid_api_key: str | None = field(default=None, repr=False)
    smtp_user: str | None = field(default=None, repr=False)
    smtp_password: str | None = field(default=None, repr=False)
    public_database_url: str | None = field(default=None, repr=False)
    webhook_keys: tuple[str, ...] = ()
    unsubscribe_keys: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """The settings that RAPPORT_* variables ask for; an empty variable counts as unset.

        Raises:
            ConfigurationError: RAPPORT_PORT is no port.
        """

        def value(name: str) -> str | None:
            return environment.get(name, "").strip() or None

        port = value("RAPPORT_PORT") or "8080"
        if not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ConfigurationError(f"RAPPORT_PORT is {port}; it is a number from 1 to 65535")
        postgres_bin = value("RAPPORT_POSTGRES_BIN")
        return cls(
            home=Path(value("RAPPORT_HOME") or PROJECT / ".rapport").expanduser().absolute(),
            config=Path(value("RAPPORT_CONFIG") or PROJECT / "config").expanduser().absolute(),
            warehouse_url=value("RAPPORT_WAREHOUSE_URL"),
            recipient_key=value("RAPPORT_RECIPIENT_KEY"),
            alert_webhook=value("RAPPORT_ALERT_WEBHOOK"),
            postgres_bin=Path(postgres_bin).expanduser().absolute() if postgres_bin else None,
            port=int(port),
            sendgrid_api_key=value("SENDGRID_API_KEY"),
            smtp_user=value("RAPPORT_SMTP_USER"),
            smtp_password=value("RAPPORT_SMTP_PASSWORD"),
            public_database_url=value("RAPPORT_PUBLIC_DATABASE_URL"),
            webhook_keys=_list(value("RAPPORT_WEBHOOK_KEYS")),
            unsubscribe_keys=_list(value("RAPPORT_UNSUBSCRIBE_KEYS")),
        )

    @property
    def dbt_project(self) -> Path:
        return PROJECT / "dbt_project"

    @property
    def mailbox(self) -> Path:
        """The Maildir that the local transport writes to."""
        return self.home / "mailbox"


def _list(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())
