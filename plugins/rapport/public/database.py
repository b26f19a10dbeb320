"""The public pages' way to the warehouse: calls of the functions in `public_pages`, and nothing else."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg

from rapport.errors import WarehouseUnavailable

CONNECTIONS = 8
CONNECT_SECONDS = 5
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preferences:
    """What a recipient gets: the masked address (None where we hold none) and the topics of their mails."""

    address: str | None
    topics: list[str]


@dataclass
class Database:
    """A few connections to `url`, opened when they are needed; each call is a transaction of its own.

    Every method raises WarehouseUnavailable where the database does not answer.
    """

    url: str = field(repr=False)
    _idle: list[psycopg.AsyncConnection] = field(default_factory=list, repr=False)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS), repr=False)

    async def store_webhook(self, body: bytes) -> None:
        """Keep the body; it is committed when this returns."""
        await self._call("select public_pages.store_webhook(%b)", [body])

    async def withdraw(self, recipient_key: str, topics: list[str], reason: str) -> None:
        """Suppress the recipient for the topics; it is committed when this returns."""
        await self._call("select public_pages.withdraw(%s, %s::text[], %s)", [recipient_key, topics, reason])

    async def preferences(self, recipient_key: str) -> Preferences:
        """What the recipient gets now."""
        found = await self._call("select public_pages.preferences(%s)", [recipient_key])
        return Preferences(found["address"], found["topics"])

    async def is_there(self) -> None:
        """Return where the database answers."""
        await self._call("select true", [])

    async def close(self) -> None:
        """Close what is open."""
        while self._idle:
            await self._idle.pop().close()

    async def _call(self, query: LiteralString, parameters: list[Any]) -> Any:
        async with self._places:
            # What the database closed while it was idle is noticed by using it; a call may safely come twice.
            for is_last in (False, True):
                connection = await self._connection(fresh=is_last)
                try:
                    row = await (await connection.execute(query, parameters)).fetchone()
                except psycopg.OperationalError as error:
                    await connection.close()
                    if is_last:
                        raise _unavailable(error) from None
                except BaseException:
                    await connection.close()
                    raise
                else:
                    self._idle.append(connection)
                    return row[0] if row else None

    async def _connection(self, *, fresh: bool) -> psycopg.AsyncConnection:
        if self._idle and not fresh:
            return self._idle.pop()
        try:
            return await psycopg.AsyncConnection.connect(
                self.url,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                application_name="rapport serve",
                prepare_threshold=None,
            )
        except psycopg.OperationalError as error:
            raise _unavailable(error) from None


def _unavailable(error: psycopg.OperationalError) -> WarehouseUnavailable:
    # The server's words may hold its address and user, never what was asked of it.
    return WarehouseUnavailable(f"the public pages' database does not answer ({type(error).__name__})")
