"""Building the segments that people made in the pages, in the run that builds the others."""

from collections.abc import Collection, Sequence

import psycopg
from psycopg import sql

from rapport.audiences import estimates, stored_definitions
from rapport.audiences.customer_columns import Catalogue, mistakes_in, read_columns
from rapport.audiences.definition import Definition, read_definition
from rapport.audiences.definition_sql import members_query
from rapport.audiences.definition_words import in_words
from rapport.audiences.stored_definitions import Stored
from rapport.ledger import Run

MADE_HERE = "Made in the segment builder, version"


def put_members(connection: psycopg.Connection, run: Run, taken: Collection[str]) -> list[str]:
    """Put the members of every defined segment into the temp table `wanted`; the names of those built.

    What cannot be built is held: it keeps the members that it had, and segments.definition_builds says why.

    Args:
        taken: the segments that are files. A file that came later goes before a definition of its name.
    """
    found = stored_definitions.newest(connection)
    _drop_views(connection, [one.name for one in found if one.retired_at and one.name not in taken])
    names = []
    catalogue = read_columns(connection) if found else Catalogue({})
    for stored in found:
        if stored.retired_at is not None:
            connection.execute("delete from segments.definition_builds where name = %s", [stored.name])
            continue
        held_because = _put(connection, run, stored, catalogue, taken)
        if stored.name not in taken:
            if held_because is not None:
                _keep_members(connection, stored.name)
            names.append(stored.name)
        _note(connection, run, stored, held_because)
    return names


def held(connection: psycopg.Connection, names: Sequence[str] | None = None) -> list[str]:
    """A sentence for each defined segment, or each of these, that the last run could not build."""
    return [
        f"segment {build.name} is held: {build.held_because}"
        for build in sorted(stored_definitions.builds(connection).values(), key=lambda build: build.name)
        if build.held_because is not None and (names is None or build.name in names)
    ]


def _put(
    connection: psycopg.Connection, run: Run, stored: Stored, catalogue: Catalogue, taken: Collection[str]
) -> str | None:
    """Put the segment's members into `wanted`, and make its view; why not, where that cannot be done."""
    if stored.name in taken:
        return f"dbt_project/models/segments/{stored.name}.sql has its name; rename the file or retire it"
    definition = read_definition(stored.definition)
    faults = mistakes_in(definition, catalogue) if isinstance(definition, Definition) else definition
    if faults or not isinstance(definition, Definition):
        return "; ".join(fault.sentence for fault in faults)
    query, parameters = members_query(definition, catalogue, run.as_of)
    try:
        with connection.transaction(), estimates.planned_for_many(connection):
            connection.execute(
                sql.SQL("insert into wanted select {}, * from ({}) as members").format(
                    sql.Literal(stored.name), query
                ),
                parameters,
            )
            _make_view(connection, stored, in_words(definition))
    except (psycopg.ProgrammingError, psycopg.DataError) as error:
        return str(error).splitlines()[0]
    return None


def _keep_members(connection: psycopg.Connection, name: str) -> None:
    """As they were after the last run, under the ids that they have now."""
    connection.execute(
        """
        insert into wanted
        select distinct on (customer_id) segment, customer_id, reason
        from (
            select
                members.segment,
                coalesce(merges.customer_id, members.customer_id) as customer_id,
                members.reason
            from segments.members
            left join identity.merges on members.customer_id = merges.old_customer_id
            where members.segment = %s
        ) as kept
        inner join marts.customers using (customer_id)
        order by customer_id, reason
        """,
        [name],
    )


def _make_view(connection: psycopg.Connection, stored: Stored, words: str) -> None:
    """The view that every segment has, for campaigns' mails and whoever asks in SQL; its comment says how.

    One that is there is left in place: to replace it would wait for whoever reads it.
    """
    view = sql.Identifier("segments", stored.name)
    name = view.as_string(connection)
    row = connection.execute(
        "select obj_description(to_regclass(%s), 'pg_class') like '%%' || %s || '%%'", [name, MADE_HERE]
    ).fetchone()
    if row is None or not row[0]:
        connection.execute(sql.SQL("drop view if exists {}").format(view))
        connection.execute(
            sql.SQL(
                "create view {} as select customer_id, reason from segments.members where segment = {}"
            ).format(view, sql.Literal(stored.name))
        )
    comment = f"{words[0].upper()}{words[1:]}. {MADE_HERE} {stored.version}."
    connection.execute(sql.SQL("comment on view {} is {}").format(view, sql.Literal(comment)))


def _drop_views(connection: psycopg.Connection, names: Sequence[str]) -> None:
    for (name,) in connection.execute(
        """
        select relname::text from pg_class
        where
            relnamespace = 'segments'::regnamespace
            and relkind = 'v'
            and relname = any(%s)
            and obj_description(oid, 'pg_class') like '%%' || %s || '%%'
        """,
        [list(names), MADE_HERE],
    ).fetchall():
        connection.execute(sql.SQL("drop view {}").format(sql.Identifier("segments", name)))


def _note(connection: psycopg.Connection, run: Run, stored: Stored, held_because: str | None) -> None:
    connection.execute(
        """
        insert into segments.definition_builds (name, version, run_id, as_of, members, held_because)
        select %(name)s, %(version)s, %(run)s, %(as_of)s, count(*), %(held)s
        from wanted where segment = %(name)s
        on conflict (name) do update
        set
            version = excluded.version, run_id = excluded.run_id, as_of = excluded.as_of,
            members = excluded.members, held_because = excluded.held_because
        """,
        {
            "name": stored.name,
            "version": stored.version,
            "run": run.run_id,
            "as_of": run.as_of,
            "held": held_because,
        },
    )
