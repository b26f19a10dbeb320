"""The command line in this process, as it is typed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rapport import cli

Rapport = Callable[..., tuple[int, str, str]]


def rapport_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, home: Path, config: Path, url: str
) -> Rapport:
    """Calls `rapport` with arguments, on this home: (exit code, standard output, standard error)."""
    monkeypatch.setenv("RAPPORT_HOME", str(home))
    monkeypatch.setenv("RAPPORT_CONFIG", str(config))
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", url)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rapport", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call
