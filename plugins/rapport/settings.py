"""Where this installation keeps its things: the one place that reads Rapport's environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """`warehouse_url` is None where Rapport runs its own PostgreSQL under `home`, with the programs of
    `postgres_bin` where that is given."""

    home: Path
    config: Path
    warehouse_url: str | None
    recipient_key: str | None
    alert_webhook: str | None
    postgres_bin: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """The settings that RAPPORT_* variables ask for; an empty variable counts as unset."""

        def value(name: str) -> str | None:
            return environment.get(name, "").strip() or None

        postgres_bin = value("RAPPORT_POSTGRES_BIN")
        return cls(
            home=Path(value("RAPPORT_HOME") or PROJECT / ".rapport").expanduser().absolute(),
            config=Path(value("RAPPORT_CONFIG") or PROJECT / "config").expanduser().absolute(),
            warehouse_url=value("RAPPORT_WAREHOUSE_URL"),
            recipient_key=value("RAPPORT_RECIPIENT_KEY"),
            alert_webhook=value("RAPPORT_ALERT_WEBHOOK"),
            postgres_bin=Path(postgres_bin).expanduser().absolute() if postgres_bin else None,
        )

    @property
    def dbt_project(self) -> Path:
        return PROJECT / "dbt_project"

    @property
    def mailbox(self) -> Path:
        """The Maildir that the local transport writes to."""
        return self.home / "mailbox"
