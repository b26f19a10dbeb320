"""Builds the view as dags/build_customer_view.py does, up to the marts; each line: AS_OF [BATCH_TO_REPEAT].

Says `built` after each line of the input, or `broken off` where the run failed. One view alone may be asked
for in the arguments instead.
"""

import sys
from datetime import datetime

from rapport import ledger, steps, warehouse
from rapport.errors import RapportError
from rapport.settings import Settings


def build(moment: str, repeated_batch: str | None = None) -> None:
    batch = int(repeated_batch) if repeated_batch else None
    run = steps.open_run(
        datetime.fromisoformat(moment), None, is_rebuild=batch is not None, max_batch_id=batch
    )
    steps.build_layer("build_customer_view", "staging", run)
    steps.resolve_identity("build_customer_view", run)
    steps.build_layer("build_customer_view", "marts", run)
    ledger.close_run(warehouse.ensure(Settings.from_environment()), run)


if sys.argv[1:]:
    build(*sys.argv[1:])
else:
    for line in sys.stdin:
        try:
            build(*line.split())
        except RapportError as error:
            print(error)
            print("broken off", flush=True)
        else:
            print("built", flush=True)
