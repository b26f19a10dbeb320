"""Which files are kept after a load, and which are read from their copy in the next."""

from collections.abc import Collection

import psycopg

from rapport.errors import InputError
from rapport.landing import batches
from rapport.landing.kept_files import KeptFile, KeptFiles
from rapport.sources.feed import Feed
from rapport.sources.files import find_files
from rapport.sources.stored_file import SourceFile


def keep_new(connection: psycopg.Connection, feed: Feed, store: KeptFiles) -> None:
    """Keep the feed's files that were read and are not kept yet. A file that changed since is left alone.

    Raises:
        SourceUnavailable: the store cannot be written to.
    """
    read = connection.execute(
        """
        select distinct on (file_hash) file_hash, file
        from ops.load_batches
        where source = %s and stream = %s and feed = %s
            and state in ('loaded', 'held') and superseded_at is null and retry_of is null
            and not exists (
                select from ops.kept_files
                where kept_files.file_hash = load_batches.file_hash
                    and coalesce(removed_at, 'infinity') > load_batches.loaded_at
            )
        order by file_hash, batch_id desc
        """,
        [feed.source, feed.stream, feed.name],
    ).fetchall()
    if not read:
        return
    try:
        files = {file.path: file for file in find_files(feed)}
    except InputError:
        return  # they are gone
    for file_hash, path in read:
        file = files.get(path)
        if file is None:
            continue
        size = store.keep(file, file_hash)
        connection.execute(
            """
            insert into ops.kept_files (file_hash, location, is_member, stored_bytes)
            values (%s, %s, %s, %s)
            on conflict (file_hash) do update set
                location = excluded.location, is_member = excluded.is_member,
                stored_bytes = excluded.stored_bytes, kept_at = now(), removed_at = null
            """,
            [file_hash, store.location, file.member is not None, size],
        )


def files_to_load(connection: psycopg.Connection, feed: Feed, store: KeptFiles | None) -> list[SourceFile]:
    """The feed's files, and the copies that are to be read again because their original is gone.

    Raises:
        InputError: there is none.
    """
    copies = _wanted(connection, feed, store) if store is not None else []
    try:
        return [*find_files(feed), *copies]
    except InputError:
        if not copies:
            raise
        return list(copies)


def _wanted(connection: psycopg.Connection, feed: Feed, store: KeptFiles) -> list[KeptFile]:
    """The kept files that are to be read again: after `rapport reload`, and of held batches those that were
    accepted or that a mended mapping or limit lets hope for. Whether the original is there is not asked: it
    is then known when its copy comes.
    """
    rows = connection.execute(
        """
        select distinct on (read.file_hash) read.file, read.file_hash, kept_files.is_member
        from ops.load_batches as read
        inner join ops.kept_files using (file_hash)
        where read.source = %(source)s and read.stream = %(stream)s and read.feed = %(feed)s
            and read.retry_of is null
            and kept_files.removed_at is null and kept_files.stored_bytes is not null
            and (
                (
                    read.state = 'loaded'
                    and not exists (
                        select from ops.load_batches as known
                        where known.source = %(source)s and known.stream = %(stream)s
                            and known.feed = %(feed)s and known.file_hash = read.file_hash
                            and known.superseded_at is null
                    )
                    and (
                        not %(is_ordered)s
                        or read.batch_id = (
                            select max(last.batch_id) from ops.load_batches as last
                            where last.feed = %(feed)s and last.stream = %(stream)s and last.file = read.file
                        )
                    )
                )
                or (
                    read.state = 'held' and read.superseded_at is null
                    and (
                        read.accepted_at is not null
                        or read.mapping_hash <> %(mapping_hash)s
                        or read.held_limits is distinct from %(limits)s
                    )
                )
            )
        order by read.file_hash, read.batch_id desc
        """,
        {
            "source": feed.source,
            "stream": feed.stream,
            "feed": feed.name,
            "mapping_hash": feed.mapping_hash,
            "limits": str(feed.limits),
            "is_ordered": feed.mode in batches.ORDERED,
        },
    ).fetchall()
    return sorted(
        (
            KeptFile(
                store,
                path,
                format=feed.read.format,
                limits=feed.read.unpacked,
                file_hash=file_hash,
                is_member=is_member,
            )
            for path, file_hash, is_member in rows
        ),
        key=lambda file: file.path,
    )


def is_copy(file: SourceFile, hashes: Collection[str]) -> bool:
    """Whether this is the copy of a file that is there as well."""
    return isinstance(file, KeptFile) and file.file_hash in hashes


def give_up(connection: psycopg.Connection, feed: Feed, file: SourceFile) -> None:
    """Where it was a copy that could not be read again: what the file had brought counts on, and the copy is
    not tried in each run."""
    if not isinstance(file, KeptFile):
        return
    connection.execute(
        """
        update ops.load_batches set superseded_at = null
        where batch_id = (
            select max(batch_id) from ops.load_batches
            where source = %s and stream = %s and feed = %s and file_hash = %s
                and state = 'loaded' and replaced_by is null and retry_of is null
        )
        """,
        [feed.source, feed.stream, feed.name, file.file_hash],
    )
