"""How big each segment is and what its members are like, counted once a run for those who look later."""

from collections.abc import Sequence

import psycopg

from rapport.ledger import Run

# Columns of marts.customers in which a segment is compared with all customers.
DIMENSIONS = (
    "country",
    "lifecycle_stage",
    "recency_score",
    "frequency_score",
    "monetary_score",
    "nps_group",
    "last_channel",
)


def record_sizes(connection: psycopg.Connection, run: Run, segments: Sequence[str]) -> None:
    """Note the size of each of the segments, and how many entered and left, as this run's memberships say.

    What later runs noted goes, and what an earlier call noted for the same as_of.
    """
    connection.execute("delete from segments.sizes where as_of >= %s", [run.as_of])
    connection.execute(
        """
        with members_now as (
            select segment, count(*) as members from segments.members group by segment
        ),

        entered_now as (
            select segment, count(*) as entered from segments.memberships
            where segment = any(%(segments)s) and entered_at = %(as_of)s
            group by segment
        ),

        left_now as (
            select segment, count(*) as left_ from segments.memberships
            where segment = any(%(segments)s) and left_at = %(as_of)s
            group by segment
        )

        insert into segments.sizes (segment, as_of, run_id, members, entered, left_)
        select
            segment, %(as_of)s, %(run_id)s,
            coalesce(members, 0), coalesce(entered, 0), coalesce(left_, 0)
        from unnest(%(segments)s::text[]) as wanted (segment)
        left join members_now using (segment)
        left join entered_now using (segment)
        left join left_now using (segment)
        """,
        {"segments": list(segments), "as_of": run.as_of, "run_id": run.run_id},
    )


def record_profiles(connection: psycopg.Connection) -> None:
    """Count members and all customers by each value of each of `DIMENSIONS` that the customer view has.

    People are counted once, by all the values they share; what is left to add up is a fraction of them.
    """
    connection.execute("delete from segments.profiles")
    dimensions = _dimensions_there_are(connection)
    if not dimensions:
        return
    columns = ", ".join(dimensions)
    values = ", ".join(f"('{dimension}', {dimension}::text)" for dimension in dimensions)
    connection.execute("set local work_mem = '64MB'")
    connection.execute(
        f"""
        with alike as materialized (
            select segment, {columns}, count(*) as people
            from segments.members
            inner join marts.customers using (customer_id)
            group by segment, {columns}
        ),

        all_alike as materialized (
            select {columns}, count(*) as people from marts.customers group by {columns}
        ),

        of_segments as (
            select segment, dimension, value, sum(people) as members
            from alike, lateral (values {values}) as told (dimension, value)
            group by segment, dimension, value
        ),

        of_all as (
            select dimension, value, sum(people) as customers
            from all_alike, lateral (values {values}) as told (dimension, value)
            group by dimension, value
        )

        insert into segments.profiles (segment, dimension, value, members, customers)
        select
            named.segment, of_all.dimension, of_all.value,
            coalesce(of_segments.members, 0), of_all.customers
        from of_all
        cross join (select distinct segment from alike) as named
        left join of_segments
            on named.segment = of_segments.segment
            and of_all.dimension = of_segments.dimension
            and of_all.value is not distinct from of_segments.value
        """
    )


def _dimensions_there_are(connection: psycopg.Connection) -> list[str]:
    """A team may drop columns of marts.customers: no segment waits for what it is only compared in."""
    columns = {
        name
        for (name,) in connection.execute(
            """
            select attname::text from pg_attribute
            where attrelid = to_regclass('marts.customers') and attnum > 0 and not attisdropped
            """
        )
    }
    return [dimension for dimension in DIMENSIONS if dimension in columns]
