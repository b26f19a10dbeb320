"""The dbt project as dbt has read it, kept for all homes of a test run: reading it anew takes 8 seconds."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

FILE = Path("dbt", "parsed", "partial_parse.msgpack")

# The run's; conftest.py says where.
shared: Path | None = None


def give(home: Path) -> None:
    """Let a home without one have it, where some home's is kept. dbt looks itself whether it still holds."""
    if shared is not None and shared.exists() and not (home / FILE).exists():
        (home / FILE).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shared, home / FILE)


def keep(home: Path) -> None:
    """Keep a home's, where there is none yet."""
    if shared is not None and not shared.exists() and (home / FILE).exists():
        draft = shared.with_name(f"{shared.name}.{os.getpid()}")
        with suppress(FileNotFoundError):  # a home that is being cleared away
            shutil.copyfile(home / FILE, draft)
            draft.replace(shared)
