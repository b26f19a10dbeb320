"""The monthly partitions of web_events."""

import re
from datetime import datetime

import psycopg
from psycopg import sql

_BOUNDS = re.compile(r"FROM \('([^']+)'\) TO \('([^']+)'\)")


def drop_months(connection: psycopg.Connection, *, before: datetime) -> tuple[str, ...]:
    """Drop the months that lie whole before the moment; which those were, as 2024-01."""
    found = connection.execute(
        """
        select child.relname, pg_get_expr(child.relpartbound, child.oid)
        from pg_inherits
        inner join pg_class as child on pg_inherits.inhrelid = child.oid
        where pg_inherits.inhparent = 'raw.web_events'::regclass
        order by child.relname
        """
    ).fetchall()
    dropped = []
    for name, bounds in found:
        match = _BOUNDS.search(bounds)
        if match is not None and datetime.fromisoformat(match[2]) <= before:
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier("raw", name)))
            dropped.append(match[1][:7])
    return tuple(dropped)
