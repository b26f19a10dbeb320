"""Which earlier view a run builds upon, and when it builds from nothing instead."""

from datetime import datetime

import psycopg
from psycopg import sql

from rapport.streams import STREAMS

# So many new rows, and more than this share of all: then to build from nothing costs less.
MANY_ROWS = 100_000
LARGE_SHARE = 0.25

_SINCE = """
with this as (select * from ops.runs where run_id = %(run)s),

built as (
    select max(runs.run_id) as run_id
    from ops.runs
    inner join ops.run_steps on runs.run_id = run_steps.run_id
    where runs.run_id < %(run)s and run_steps.step = 'build_marts' and run_steps.state = 'succeeded'
)

select since.run_id, since.as_of, since.max_batch_id, this.as_of, this.max_batch_id
from built
cross join this
inner join ops.runs as since on built.run_id = since.run_id
where not this.is_rebuild
    and not exists (
        select from ops.runs as earlier
        where earlier.run_id >= built.run_id and earlier.run_id < this.run_id
            and earlier.max_batch_id is not null
            and (
                earlier.as_of > this.as_of
                or earlier.max_batch_id > this.max_batch_id
                or earlier.view_hash is distinct from this.view_hash
            )
    )
    and not exists (
        select from ops.load_batches
        where replaced_by > since.max_batch_id and replaced_by <= this.max_batch_id
    )
"""


def choose(connection: psycopg.Connection, run_id: int) -> None:
    """Build upon the last finished view, unless a run since then was built otherwise or further ahead, a file
    was read again since whose rows that view holds (those rows do not count any more), or much of what there
    is to see is new.

    Models replace whatever changed since that view, so what a killed run has brought further does no harm.
    Rows that a mended mapping took out of raw are found by nobody: then everything is built from nothing.
    """
    found = connection.execute(_SINCE, {"run": run_id}).fetchone()
    if found is None:
        return
    since_run_id, since_as_of, since_batch_id, as_of, batch_id = found
    come, there = _rows(connection, since_as_of, since_batch_id, as_of, batch_id)
    if come > MANY_ROWS and come > LARGE_SHARE * there:
        return
    connection.execute("update ops.runs set since_run_id = %s where run_id = %s", [since_run_id, run_id])


def _rows(
    connection: psycopg.Connection, since_as_of: datetime, since_batch_id: int, as_of: datetime, batch_id: int
) -> tuple[int, int]:
    """(come, there): the rows that the earlier view was without, loaded or visible since, and all rows."""
    moments = {"since": since_as_of, "as_of": as_of, "since_batch": since_batch_id, "batch": batch_id}
    row = connection.execute(
        """
        select
            coalesce(sum(rows_loaded) filter (where batch_id > %(since_batch)s), 0)::bigint,
            coalesce(sum(rows_loaded), 0)::bigint,
            array_agg(distinct stream) filter (
                where batch_id <= %(since_batch)s and latest_time >= %(since)s and rows_loaded > 0
            )
        from ops.load_batches
        where batch_id <= %(batch)s
        """,
        moments,
    ).fetchone()
    assert row is not None
    come, there, ahead = row
    for stream in ahead or []:
        visible = connection.execute(
            sql.SQL(
                """
                select count(*) from {stream}
                where {event_time} >= %(since)s and {event_time} < %(as_of)s
                    and batch_id = any(array(
                        select batch_id from ops.load_batches
                        where stream = {name} and batch_id <= %(since_batch)s and latest_time >= %(since)s
                    ))
                """
            ).format(
                stream=sql.Identifier("raw", stream),
                event_time=sql.Identifier(STREAMS[stream].event_time),
                name=sql.Literal(stream),
            ),
            moments,
        ).fetchone()
        come += visible[0] if visible is not None else 0
    return come, there
