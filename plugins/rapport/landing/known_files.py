"""Files that were hashed once: while size, time and inode stay the same, their content does."""

import psycopg

from rapport.landing.delivery import FileDelivery
from rapport.sources.feed import Feed
from rapport.sources.stored_file import SourceFile

# A file system's clock ticks slowly: a file may be written twice within one tick. What is younger than this
# when it is hashed is hashed again the next time.
SETTLED_SECONDS = 2


def identify(connection: psycopg.Connection, feed: Feed, file: SourceFile) -> FileDelivery:
    """The file with the hash of its content, which is read only where the file is new or was written to.

    Raises:
        InputError: the file is gone, or may not be read.
    """
    fingerprint = file.fingerprint()
    row = connection.execute(
        """
        select file_hash from ops.known_files
        where source = %s and stream = %s and feed = %s and file = %s and fingerprint = %s
        """,
        [feed.source, feed.stream, feed.name, file.path, fingerprint],
    ).fetchone()
    if row is not None:
        return FileDelivery(feed, file, fingerprint, row[0])
    is_settled = file.is_settled(SETTLED_SECONDS)
    file_hash = file.content_hash()
    if is_settled and file.fingerprint() == fingerprint:
        connection.execute(
            """
            insert into ops.known_files (source, stream, feed, file, fingerprint, file_hash)
            values (%s, %s, %s, %s, %s, %s)
            on conflict (source, stream, feed, file) do update
            set fingerprint = excluded.fingerprint, file_hash = excluded.file_hash, hashed_at = now()
            """,
            [feed.source, feed.stream, feed.name, file.path, fingerprint, file_hash],
        )
    return FileDelivery(feed, file, fingerprint, file_hash)
