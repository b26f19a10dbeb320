"""A warehouse that was restored from a backup does not know what was sent since: every edition is held.

It is recognised by its place (server, database, timeline), which the warehouse remembers, and by the greatest
attempt that this installation ever made, which a file under RAPPORT_HOME remembers.
"""

import os
from pathlib import Path

import psycopg

from rapport.errors import DecisionRefused
from rapport.settings import Settings

_AHEAD = 1_000_000  # attempts that may have been made since the backup; their numbers are not used again


def hold_what_was_restored(connection: psycopg.Connection, settings: Settings) -> bool:
    """Hold every edition and pause everything if the warehouse is not the one that last sent; whether it was.

    A person looks at what was sent since the backup, then resumes.
    """
    place = _place(connection)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtextextended('rapport warehouse mark', 0))")
        row = connection.execute("select warehouse_id::text, place from activation.warehouse_mark").fetchone()
        if row is None:
            connection.execute("insert into activation.warehouse_mark (place) values (%s)", [place])
            return False
        warehouse_id, noted = row
        mark = _read(_file(settings, warehouse_id))
        if noted == place and _last_attempt(connection) >= mark:
            return False
        _hold_everything(connection)
        _skip_attempts(connection, mark)
        connection.execute("update activation.warehouse_mark set place = %s, noted_at = now()", [place])
    return True


def release(connection: psycopg.Connection, edition_id: str) -> None:
    """Let a restored edition be approved again, after a person has seen what was sent of it.

    Raises:
        DecisionRefused: it is not held for that.
    """
    released = connection.execute(
        """
        update activation.editions set state = 'awaiting_approval', state_reason = null
        where edition_id = %s and state = 'held' and state_reason = 'restored'
        """,
        [edition_id],
    ).rowcount
    if not released:
        raise DecisionRefused(f"edition {edition_id} is not held because its warehouse was restored")


class HighWater:
    """The greatest attempt of this installation, in a file, so that a warehouse from before it is noticed."""

    def __init__(self, connection: psycopg.Connection, settings: Settings) -> None:
        row = connection.execute("select warehouse_id::text from activation.warehouse_mark").fetchone()
        assert row is not None
        self._path = _file(settings, row[0])

    def note(self, attempt_id: int) -> None:
        """Remember an attempt; before its request leaves."""
        if _read(self._path) >= attempt_id:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        draft.write_text(f"{attempt_id}\n")
        draft.replace(self._path)


def _place(connection: psycopg.Connection) -> str:
    """What a copy of this warehouse does not share with it. A server that tells less is known by less."""
    row = connection.execute(
        "select oid::text from pg_database where datname = current_database()"
    ).fetchone()
    assert row is not None
    parts = [str(row[0])]
    for query in (
        "select system_identifier::text from pg_control_system()",
        "select timeline_id::text from pg_control_checkpoint()",
    ):
        try:
            with connection.transaction():
                told = connection.execute(query).fetchone()
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction):
            told = None
        parts.append(str(told[0]) if told else "?")
    return "/".join(parts)


def _last_attempt(connection: psycopg.Connection) -> int:
    row = connection.execute("select max(attempt_id) from activation.attempts").fetchone()
    return int(row[0] or 0) if row else 0


def _skip_attempts(connection: psycopg.Connection, mark: int) -> None:
    """Give no number again that an attempt since the backup may have had: its events would be mistaken."""
    connection.execute(
        """
        select setval(
            pg_get_serial_sequence('activation.attempts', 'attempt_id'), greatest(%s, %s) + %s
        )
        """,
        [mark, _last_attempt(connection), _AHEAD],
    )


def _hold_everything(connection: psycopg.Connection) -> None:
    connection.execute(
        """
        insert into activation.pauses (campaign, paused_by, reason) values (null, 'rapport', 'restored')
        on conflict (campaign) where resumed_at is null do nothing
        """
    )
    connection.execute(
        """
        update activation.editions set state = 'held', state_reason = 'restored'
        where state in ('planned', 'awaiting_approval', 'approved', 'sending', 'paused')
        """
    )


def _file(settings: Settings, warehouse_id: str) -> Path:
    return settings.home / "sent" / warehouse_id


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0
