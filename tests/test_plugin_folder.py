"""Airflow executes what it finds in the plugins folder; Rapport's package there is no plugin."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]

LOADER = """
import email, sys
from airflow import plugins_manager
before = set(sys.modules)
plugins, errors = plugins_manager._get_plugins()
stray = [name for name in set(sys.modules) - before
         if (getattr(sys.modules[name], "__file__", None) or "").startswith(sys.argv[1])]
print(sorted(stray), errors, sys.modules["email"] is email)
"""


def test_the_plugin_loader_executes_the_plugin_and_nothing_of_the_package(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    told = subprocess.run(
        [sys.executable, "-c", LOADER, str(PROJECT / "plugins")],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert told.stdout.splitlines()[-1] == "['rapport_plugin'] {} True"
