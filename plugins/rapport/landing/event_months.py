"""raw.web_events by month: a partition for each month that has events enough, one for all the others.

A partition's key cannot be the whole table's, because it would have to contain the time, and an event that
comes again with another time is still the same event. So each partition has a key of its own, and the keys
that any of them holds are looked up before rows go in; loads put rows in one at a time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import psycopg
from psycopg import sql

from rapport.landing import row_keys
from rapport.landing.copying import LANDED
from rapport.landing.places import Place
from rapport.sources.feed import Feed

STREAM = "web_events"
PARENT = sql.Identifier("raw", STREAM)
OTHERS = sql.Identifier("raw", f"{STREAM}_other")
KNOWN = sql.Identifier("known_events")
# So many events in one delivery earn their month a partition; a few with a wrong clock do not.
EVENTS_FOR_A_MONTH = 1000
MONTHS_AHEAD = 2
# Samples of 300 times as many rows from each partition; with the default of 100 a tenth of a load's time.
STATISTICS_TARGET = 25


@dataclass(frozen=True)
class EventMonth:
    """A partition, with the first day of its month and its size on disk in bytes."""

    table: str
    month: date
    size: int


def make_months(connection: psycopg.Connection, months: Iterable[date]) -> None:
    """Give each month (its first day, UTC) a partition, if it has none; its events of before move in."""
    there = {partition.month for partition in event_months(connection)}
    for month in sorted(set(months) - there):
        table = sql.Identifier("raw", f"{STREAM}_{month:%Y_%m}")
        given = {
            "table": table,
            "others": OTHERS,
            "parent": PARENT,
            "since": sql.Literal(f"{month:%Y-%m-%d}T00:00:00Z"),
            "until": sql.Literal(f"{_following(month):%Y-%m-%d}T00:00:00Z"),
        }
        for statement in (
            "create table {table} (like {parent} including defaults including indexes)",
            "alter table {table} add primary key (source, row_key, revision)",
            # See the migration 0004: MANY_BATCHES.
            "alter table {table} alter column batch_id set (n_distinct = -0.0005)",
            """
            with moved as (
                delete from {others} where occurred_at >= {since} and occurred_at < {until} returning *
            )
            insert into {table} select * from moved
            """,
            "alter table {parent} attach partition {table} for values from ({since}) to ({until})",
        ):
            connection.execute(sql.SQL(statement).format(**given))


def make_landed_months(connection: psycopg.Connection, *, now: datetime | None = None) -> None:
    """Partitions for the months that the landed rows fill, and for this month and those that follow it."""
    today = (now or datetime.now(UTC)).date().replace(day=1)
    ahead = [today]
    for _ in range(MONTHS_AHEAD):
        ahead.append(_following(ahead[-1]))
    filled = connection.execute(
        sql.SQL(
            "select date_trunc('month', occurred_at, 'UTC')::date from {} group by 1 having count(*) >= %s"
        ).format(LANDED),
        [EVENTS_FOR_A_MONTH],
    )
    make_months(connection, [*ahead, *(month for (month,) in filled)])


def find_known(connection: psycopg.Connection, feed: Feed, place: Place) -> bool:
    """Put the keys that raw holds of the landed rows into a temporary table; whether there are any."""
    has_any = connection.execute(
        sql.SQL("select exists (select from {} where source = %s)").format(PARENT), [feed.source]
    ).fetchone()
    if has_any == (False,):
        return False
    # Looked up in the keys of all partitions: their rows are wide, and there may be years of them.
    connection.execute("set local enable_seqscan = off")
    found = connection.execute(
        sql.SQL(
            """
            create temp table {known} on commit drop as
            select row_key from ({landed}) as landed
            where exists (
                select from {parent} as stored
                where stored.source = %(source)s and stored.row_key = landed.row_key
                    and stored.revision = %(revision)s
            )
            """
        ).format(known=KNOWN, landed=row_keys.keyed_rows(feed), parent=PARENT),
        {"source": feed.source, "revision": place.revision, "delivery": place.delivery},
    ).rowcount
    connection.execute("set local enable_seqscan = on")
    return found > 0


def analyze(connection: psycopg.Connection) -> None:
    """Renew the planner's statistics, of the whole table or of the partitions that have grown by a tenth.

    Those of the whole table cannot be renewed without those of each partition.
    """
    connection.execute("select pg_stat_force_next_flush()")
    grown = connection.execute(
        """
        with partitions as (
            select pg_class.relname, reltuples, n_live_tup, n_mod_since_analyze
            from pg_stat_user_tables
            inner join pg_class on pg_class.oid = relid
            inner join pg_inherits on relid = inhrelid
            where inhparent = 'raw.web_events'::regclass
        )

        select 'web_events'
        from pg_class
        where oid = 'raw.web_events'::regclass
            and (select sum(n_live_tup) from partitions) > 1.1 * greatest(reltuples, 0)
        union all
        select relname from partitions where n_mod_since_analyze > 0.1 * greatest(reltuples, 0)
        """
    ).fetchall()
    tables = [table for (table,) in grown]
    connection.execute(sql.SQL("set default_statistics_target = {}").format(STATISTICS_TARGET))
    for table in [STREAM] if STREAM in tables else tables:
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier("raw", table)))
    connection.execute("reset default_statistics_target")


def event_months(connection: psycopg.Connection) -> list[EventMonth]:
    """The partitions of one month, oldest first."""
    found = connection.execute(
        """
        select relname, to_date(right(relname, 7), 'YYYY_MM'), pg_total_relation_size(oid)
        from pg_class inner join pg_inherits on oid = inhrelid
        where inhparent = 'raw.web_events'::regclass and relname ~ '^web_events_[0-9]{4}_[0-9]{2}$'
        order by 2
        """
    ).fetchall()
    return [EventMonth(*row) for row in found]


def drop_months(connection: psycopg.Connection, *, before: date) -> list[EventMonth]:
    """Drop the partitions of the months that end on `before` or earlier, and such events of other months.

    Events of a month that are delivered again afterwards are loaded again.
    """
    dropped = [partition for partition in event_months(connection) if _following(partition.month) <= before]
    for partition in dropped:
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier("raw", partition.table)))
    connection.execute(
        sql.SQL("delete from {} where occurred_at < %s").format(OTHERS),
        [datetime(before.year, before.month, 1, tzinfo=UTC)],
    )
    return dropped


def _following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
