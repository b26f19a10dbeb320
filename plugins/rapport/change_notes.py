"""What runs note of changes for the runs that build upon their view; removed where none needs it any more.

`ops.removed_keys`, `ops.removed_facts` and `identity.identifier_changes` are read from the view on that a run
builds upon.
"""

import psycopg
from psycopg import sql

TABLES = (("ops", "removed_keys"), ("ops", "removed_facts"), ("identity", "identifier_changes"))

# The newest finished view may be built once more, and so may what builds upon an earlier one meanwhile.
_LAST_NEEDLESS_RUN = """
with finished as (
    select max(run_id) as run_id from ops.run_steps
    where step = 'build_marts' and state = 'succeeded'
)

select least(
    (select coalesce(runs.since_run_id, runs.run_id - 1) from ops.runs inner join finished using (run_id)),
    (select min(since_run_id) from ops.runs where state = 'running')
)
"""


def any_needless(connection: psycopg.Connection) -> bool:
    """Whether there is anything that `remove_needless` would remove."""
    last = _last_needless_run(connection)
    found = [
        connection.execute(
            sql.SQL("select exists (select from {} where run_id <= %s)").format(sql.Identifier(*table)),
            [last],
        ).fetchone()
        for table in TABLES
    ]
    return any(row is not None and row[0] for row in found)


def remove_needless(connection: psycopg.Connection) -> int:
    """Remove what was noted up to the view that the newest finished one builds upon; returns the rows."""
    last = _last_needless_run(connection)
    return sum(
        connection.execute(
            sql.SQL("delete from {} where run_id <= %s").format(sql.Identifier(*table)), [last]
        ).rowcount
        for table in TABLES
    )


def _last_needless_run(connection: psycopg.Connection) -> int | None:
    row = connection.execute(_LAST_NEEDLESS_RUN).fetchone()
    return row[0] if row is not None else None
