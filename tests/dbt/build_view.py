"""The steps of dags/build_customer_view.py up to the marts: build_view.py AS_OF [BATCH_TO_REPEAT]."""

import sys
from datetime import datetime

from rapport import ledger, steps, warehouse
from rapport.settings import Settings

as_of, repeated_batch = datetime.fromisoformat(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else None
run = steps.open_run(as_of, None, is_rebuild=repeated_batch is not None, max_batch_id=repeated_batch)
steps.build_layer("build_customer_view", "staging", run)
steps.resolve_identity("build_customer_view", run)
steps.build_layer("build_customer_view", "marts", run)
ledger.close_run(warehouse.ensure(Settings.from_environment()), run)
