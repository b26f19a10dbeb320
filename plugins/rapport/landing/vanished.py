"""Loaded files that are no longer among a feed's files: what they brought stays, and each is told once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from rapport.landing.delivery import FileDelivery
from rapport.landing.kept_files import KeptFile
from rapport.sources.feed import Feed
from rapport.sources.stored_file import SourceFile


@dataclass(frozen=True)
class VanishedFiles:
    """`files` files of a feed, of which `first` is the first by its path."""

    feed: str
    files: int
    first: str


def notice(
    connection: psycopg.Connection,
    feed: Feed,
    files: Sequence[SourceFile],
    identified: Sequence[FileDelivery],
) -> None:
    """Note which loaded files are neither among `files` nor, under another name, among those `identified`.

    A kept copy in either does not bring its original back. A file that is back is forgotten, so that it is
    told when it goes again. Where a listing is not whole nothing is noted: the load says of an archive that
    cannot be opened, and of a folder without any file.
    """
    here = [file for file in files if not isinstance(file, KeptFile)]
    if not here or any(file.is_archive and file.member is None for file in here):
        return
    connection.execute(
        """
        with loaded as (
            select distinct on (file) file, file_hash
            from ops.load_batches
            where source = %(source)s and stream = %(stream)s and feed = %(feed)s
                and state = 'loaded' and retry_of is null
            order by file, batch_id desc
        ),

        gone as (
            select file from loaded
            where file not in (select unnest(%(files)s::text[]))
                and file_hash not in (select unnest(%(hashes)s::text[]))
        ),

        back as (
            delete from ops.vanished_files
            where source = %(source)s and stream = %(stream)s and feed = %(feed)s
                and file not in (select file from gone)
        )

        insert into ops.vanished_files (source, stream, feed, file)
        select %(source)s, %(stream)s, %(feed)s, file from gone
        on conflict do nothing
        """,
        {
            "source": feed.source,
            "stream": feed.stream,
            "feed": feed.name,
            "files": [file.path for file in here],
            "hashes": [
                delivery.file_hash for delivery in identified if not isinstance(delivery.file, KeptFile)
            ],
        },
    )


def noticed_between(
    connection: psycopg.Connection, begin: datetime | None, end: datetime | None
) -> list[VanishedFiles]:
    """What loads noticed after `begin` and up to `end`; None is no limit."""
    with connection.cursor(row_factory=class_row(VanishedFiles)) as cursor:
        return cursor.execute(
            """
            select feed, count(*) as files, min(file) as first
            from ops.vanished_files
            where noticed_at > coalesce(%s::timestamptz, '-infinity')
                and noticed_at <= coalesce(%s::timestamptz, 'infinity')
            group by feed
            order by feed
            """,
            [begin, end],
        ).fetchall()
