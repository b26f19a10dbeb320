"""Who is in each segment now, and since when: of the segments that are files and those made in the pages."""

from collections.abc import Sequence
from datetime import datetime

import psycopg
from psycopg import sql

from rapport import warehouse
from rapport.audiences import built_segments, sizes
from rapport.audiences.segments import segment_file
from rapport.errors import ConfigurationError
from rapport.ledger import Run

CONTRACT = "a segment has one row per customer with the columns customer_id and reason, neither of them null"


def record_memberships(url: str, run: Run, segments: Sequence[str]) -> dict[str, int]:
    """Bring the tables of segments to what views and definitions say; the size of each segment.

    A membership lasts from the as_of of the run that first saw it to that of the run that first missed it.
    Memberships of segments that are neither named nor defined end. Repeating the call changes nothing; killed
    half-way it has done nothing. Nothing remains of what runs with a later as_of recorded: from here that is
    the future.

    Raises:
        ConfigurationError: a segment's view is missing, lacks a column, or has two rows for a customer; names
            the segment's file.
    """
    with warehouse.connect(url) as connection, warehouse.disk_errors_named("recording memberships"):
        connection.execute("lock table segments.members in share row exclusive mode")
        _read_views(connection, segments)
        defined = built_segments.put_members(connection, run, segments)
        _check_members(connection)
        _go_back_to(connection, run.as_of)
        _follow_merges(connection)
        _close_and_open(connection, run.as_of)
        _replace_members(connection)
        sizes.record_sizes(connection, run, [*segments, *defined])
        sizes.record_profiles(connection)
        found = connection.execute("select segment, count(*) from wanted group by segment").fetchall()
    return {**dict.fromkeys([*segments, *defined], 0), **dict(found)}


def _read_views(connection: psycopg.Connection, segments: Sequence[str]) -> None:
    """Put the rows of all views into the temp table `wanted`."""
    connection.execute(
        "create temp table wanted (segment text, customer_id text, reason text) on commit drop"
    )
    for segment in segments:
        _check_columns(connection, segment)
        connection.execute(
            sql.SQL("insert into wanted select {}, customer_id, reason from {}").format(
                sql.Literal(segment), sql.Identifier("segments", segment)
            )
        )


def _check_members(connection: psycopg.Connection) -> None:
    connection.execute("create index on wanted (segment, customer_id)")
    connection.execute("analyze wanted")
    wrong = connection.execute(
        """
        select segment, customer_id, count(*) from wanted
        group by segment, customer_id
        having count(*) > 1 or customer_id is null or bool_or(reason is null)
        order by segment, customer_id nulls first limit 1
        """
    ).fetchone()
    if wrong is not None:
        segment, customer_id, rows = wrong
        fault = (
            "has a row without customer_id"
            if customer_id is None
            else f"has {rows} rows for customer {customer_id}"
            if rows > 1
            else f"gives no reason for customer {customer_id}"
        )
        raise ConfigurationError(f"{segment_file(segment)}: the segment {fault}; {CONTRACT}")


def _check_columns(connection: psycopg.Connection, segment: str) -> None:
    columns = {
        name
        for (name,) in connection.execute(
            """
            select column_name from information_schema.columns
            where table_schema = 'segments' and table_name = %s
            """,
            [segment],
        )
    }
    if not columns:
        raise ConfigurationError(
            f"{segment_file(segment)}: there is no view segments.{segment}; build the segments layer first"
        )
    missing = [column for column in ("customer_id", "reason") if column not in columns]
    if missing:
        raise ConfigurationError(
            f"{segment_file(segment)}: the segment has no column {' and no column '.join(missing)}; "
            + CONTRACT
        )


def _go_back_to(connection: psycopg.Connection, as_of: datetime) -> None:
    """Forget what was recorded as of a later time, and as of this one where it is decided differently now."""
    connection.execute("delete from segments.memberships where entered_at > %s", [as_of])
    connection.execute(
        """
        update segments.memberships set left_at = null
        where
            left_at > %(as_of)s
            or (
                left_at = %(as_of)s
                and (segment, customer_id) in (select segment, customer_id from wanted)
                and not exists (
                    select from segments.memberships as next
                    where
                        next.segment = memberships.segment
                        and next.customer_id = memberships.customer_id
                        and next.entered_at = %(as_of)s
                )
            )
        """,
        {"as_of": as_of},
    )


def _follow_merges(connection: psycopg.Connection) -> None:
    """Hand the open membership of a merged customer to the survivor, who would else seem to enter today.

    Where both were in the segment, the survivor's own membership goes on and the other ends. Where the
    survivor had left meanwhile, theirs goes on from there, so that no two intervals of a customer overlap.
    """
    connection.execute(
        """
        with heirs as (
            select distinct on (memberships.segment, merges.customer_id)
                memberships.segment,
                memberships.customer_id as old_customer_id,
                memberships.entered_at,
                merges.customer_id
            from segments.memberships
            inner join identity.merges on memberships.customer_id = merges.old_customer_id
            inner join wanted
                on memberships.segment = wanted.segment and merges.customer_id = wanted.customer_id
            where
                memberships.left_at is null
                and not exists (
                    select from segments.memberships as own
                    where
                        own.segment = memberships.segment
                        and own.customer_id = merges.customer_id
                        and own.left_at is null
                )
            order by memberships.segment, merges.customer_id, memberships.entered_at, memberships.customer_id
        )

        update segments.memberships
        set
            customer_id = heirs.customer_id,
            entered_at = greatest(
                memberships.entered_at,
                (
                    select max(own.left_at) from segments.memberships as own
                    where own.segment = heirs.segment and own.customer_id = heirs.customer_id
                )
            )
        from heirs
        where
            memberships.segment = heirs.segment
            and memberships.customer_id = heirs.old_customer_id
            and memberships.entered_at = heirs.entered_at
        """
    )


def _close_and_open(connection: psycopg.Connection, as_of: datetime) -> None:
    gone = """
        left_at is null
        and not exists (
            select from wanted
            where wanted.segment = memberships.segment and wanted.customer_id = memberships.customer_id
        )
    """
    connection.execute(f"delete from segments.memberships where entered_at = %s and {gone}", [as_of])
    connection.execute(f"update segments.memberships set left_at = %s where {gone}", [as_of])
    connection.execute(
        """
        insert into segments.memberships (segment, customer_id, entered_at, reason)
        select segment, customer_id, %s, reason from wanted
        where not exists (
            select from segments.memberships
            where
                memberships.segment = wanted.segment
                and memberships.customer_id = wanted.customer_id
                and memberships.left_at is null
        )
        """,
        [as_of],
    )


def _replace_members(connection: psycopg.Connection) -> None:
    connection.execute(
        """
        delete from segments.members
        where not exists (
            select from wanted
            where wanted.segment = members.segment and wanted.customer_id = members.customer_id
        )
        """
    )
    connection.execute(
        """
        insert into segments.members (segment, customer_id, reason)
        select segment, customer_id, reason from wanted
        on conflict (segment, customer_id) do update set reason = excluded.reason
        where members.reason <> excluded.reason
        """
    )
