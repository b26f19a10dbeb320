"""Rapport as its users have it: the command line in a process of its own, with a home of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

import parsed_project
from rapport.embedded_postgres import EmbeddedPostgres


@dataclass
class Installation:
    """A RAPPORT_HOME and what is run in it."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "RAPPORT_HOME": str(self.home),
            **self.variables,
        }

    def rapport(self, *arguments: str, script: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; nothing is raised when it fails."""
        program = [sys.executable, str(script)] if script else [sys.executable, "-m", "rapport"]
        parsed_project.give(self.home)
        done = subprocess.run(
            [*program, *arguments],
            env=self.environment,
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        parsed_project.keep(self.home)
        return done

    def status(self) -> dict[str, Any]:
        return json.loads(self.rapport("status", "--json").stdout)

    def connect(self) -> psycopg.Connection:
        url = EmbeddedPostgres(self.home / "postgres").start().url("rapport")
        return psycopg.connect(url, autocommit=True)

    def mails(self) -> dict[str, bytes]:
        """The mailbox, by file name."""
        folder = self.home / "mailbox" / "new"
        return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}

    def stop(self) -> None:
        EmbeddedPostgres(self.home / "postgres").stop()
