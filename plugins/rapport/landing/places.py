"""Where a batch stands among the others: what it replaces, and whose place among the deliveries it takes.

Raw is append-only, so a file that is read again under a mended mapping becomes a batch of its own and its
earlier batch stops counting (`replaced_by`), for all runs that see the new one. Its rows may have the keys of
rows that no longer count: `revision` is in the table's key to make room for them.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from rapport.errors import InputError
from rapport.landing import batches, row_keys
from rapport.sources.feed import Feed
from rapport.streams import Mode


@dataclass(frozen=True)
class Place:
    """Where the rows of a batch stand.

    `delivery` is the batch id by which the newest delivery is told: the batch's own, or that of the batch it
    replaces. Of rows with one key only one counts, whatever their revision; all batches of the greatest
    revision of a stream in a source count.
    """

    batch_id: int
    delivery: int
    revision: int
    replaced: tuple[int, ...] = ()


def earlier_readings(
    connection: psycopg.Connection, feed: Feed, path: str, file_hash: str, *, before: int | None = None
) -> list[tuple[int, int]]:
    """(batch_id, delivery) of the batches that a reading of this file replaces, oldest first.

    Where the newest delivery wins, content that comes back is a new delivery, and not the earlier one again.
    """
    return connection.execute(
        """
        with loaded as (
            select * from ops.load_batches
            where feed = %(feed)s and state = 'loaded' and batch_id < coalesce(%(before)s, 1 + batch_id)
        ),

        readings as (
            select batch_id from loaded
            where file_hash = %(file_hash)s
                and (
                    not %(is_ordered)s
                    or batch_id = (select max(batch_id) from loaded where file = %(file)s)
                )
        )

        select batch_id, delivery from loaded
        where replaced_by is null
            and (batch_id in (select batch_id from readings) or retry_of in (select batch_id from readings))
        order by batch_id
        """,
        {
            "feed": feed.name,
            "file": path,
            "file_hash": file_hash,
            "is_ordered": feed.mode in batches.ORDERED,
            "before": before,
        },
    ).fetchall()


def take_place(
    connection: psycopg.Connection,
    feed: Feed,
    batch_id: int,
    earlier: list[tuple[int, int]],
    *,
    replaces: bool = True,
) -> Place:
    """The place of a new batch, noted in the ledger. Needs the landing lock."""
    replaced = tuple(batch for batch, _ in earlier) if replaces else ()
    row = connection.execute(
        """
        select coalesce(max(revision), 0), coalesce(max(revision) filter (where batch_id = any(%(ids)s)), -1)
        from ops.load_batches
        where source = %(source)s and stream = %(stream)s
        """,
        {"ids": list(replaced), "source": feed.source, "stream": feed.stream},
    ).fetchone()
    assert row is not None
    newest, of_replaced = row
    place = Place(
        batch_id,
        min((delivery for _, delivery in earlier), default=batch_id),
        newest + 1 if of_replaced == newest else newest,
        replaced,
    )
    connection.execute(
        "update ops.load_batches set delivery = %s, revision = %s where batch_id = %s",
        [place.delivery, place.revision, batch_id],
    )
    connection.execute(
        """
        update ops.load_batches set replaced_by = %s, superseded_at = coalesce(superseded_at, now())
        where batch_id = any(%s)
        """,
        [batch_id, list(replaced)],
    )
    return place


def keeps_all(connection: psycopg.Connection, feed: Feed, place: Place) -> bool:
    """Whether the rows that the batch would replace are all among its own, so that they may as well stay.

    A delivery that is told from others as a whole stays only where it is the same.
    """
    row = connection.execute(
        sql.SQL(
            """
            with brought as (
                select
                    bool_or(batch_id = %(batch_id)s) as is_new,
                    bool_or(batch_id <> %(batch_id)s) as is_old
                from {}
                where source = %(source)s and batch_id = any(%(batches)s)
                group by row_key, content_hash
            )

            select
                coalesce(bool_and(is_new), true) as keeps_all,
                coalesce(bool_and(is_new and is_old), true) as is_the_same,
                exists (
                    select from ops.load_batches
                    where batch_id = any(%(batches)s) and (source <> %(source)s or stream <> %(stream)s)
                ) as came_as_another
            from brought
            """
        ).format(sql.Identifier("raw", feed.stream)),
        {
            "batch_id": place.batch_id,
            "source": feed.source,
            "stream": feed.stream,
            "batches": [place.batch_id, *place.replaced],
        },
    ).fetchone()
    assert row is not None
    keeps_all_rows, is_the_same, came_as_another = row
    return not came_as_another and bool(is_the_same if feed.mode in batches.ORDERED else keeps_all_rows)


def refuse_double_counts(
    connection: psycopg.Connection, feed: Feed, place: Place, label: str, rows_loaded: int
) -> None:
    """Rows without a key are known by their content, which another mapping changes.

    A row that was a duplicate of another file's row is only one again when that file was read again as well.

    Raises:
        InputError: more rows would count than the file's earlier readings had brought or rejected.
    """
    if feed.mode is not Mode.APPEND or not row_keys.counts_occurrences(feed) or not place.replaced:
        return
    row = connection.execute(
        """
        select sum(rows_loaded), (array_agg(rows_rejected order by batch_id desc))[1]
        from ops.load_batches
        where batch_id = any(%s) and retry_of is null
        """,
        [list(place.replaced)],
    ).fetchone()
    assert row is not None
    twice = rows_loaded - row[0] - row[1]
    if twice > 0:
        raise InputError(
            f"{label}: with the mapping of {feed.name} as it is now, {twice} of its rows would count twice: "
            "they were loaded from other files, which were read with another mapping and are not here any "
            "more. Put those files back; or take this one away, and what it brought stays as it was read"
        )
