"""Sending, rendering, planning and taking events in: how fast, in how much memory, and against whom.

`python benchmarks/delivery.py [--small] [--anymail PYTHON] [sending] [rendering] [planning] [events]`; all
parts in full size take about ten minutes on two cores.
"""

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "plugins"), str(PROJECT / "benchmarks")]

PARTS = ("sending", "rendering", "planning", "events")
SMALL = {
    "RAPPORT_BENCH_EVENTS": "20000",
    "RAPPORT_BENCH_PEOPLE": "50000",
    "RAPPORT_BENCH_MAILS": "500",
}


def main() -> int:
    """Print what was measured, one line of JSON a measure; 1 where a target is missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--small", action="store_true", help="small numbers: does it run at all")
    arguments.add_argument("--anymail", metavar="PYTHON", help="of an environment that has django-anymail")
    arguments.add_argument("parts", nargs="*", choices=[[], *PARTS], help="these only")
    chosen = arguments.parse_args()
    if chosen.small:
        os.environ.update({name: value for name, value in SMALL.items() if name not in os.environ})
    results = []
    for name in chosen.parts or PARTS:
        part = importlib.import_module(f"parts.{name}")
        options = {"is_small": chosen.small, "anymail_python": chosen.anymail} if name == "sending" else {}
        results += list(part.measures(**options))
    for result in results:
        print(json.dumps(result))
    return 0 if all(result["ok"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
