"""Secrets that are made once and kept in files that only their owner can read."""

import os
from collections.abc import Callable
from pathlib import Path


def secret(file: Path, make: Callable[[], str]) -> str:
    """What the file holds; the first caller makes it, whoever else asks at the same time gets the same.

    Raises:
        OSError: the file can neither be read nor written.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as opened:
            opened.write(make() + "\n")
        try:
            os.link(fresh, file)  # unlike a rename, it does not replace what another process wrote first
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return file.read_text().strip()
