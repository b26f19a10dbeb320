"""Answers that are made while they are sent, and what they hold given back however they end."""

from collections.abc import Callable, Generator, Mapping
from itertools import chain

import anyio
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

STALLED_AFTER_SECONDS = 60


class Streamed(StreamingResponse):
    """The first block and those that a thread makes after it, as fast as the client takes them.

    `stop` is called, in a thread, when the client hangs up; `close` at every end: sent, hung up, failed, or
    the client took nothing for a minute.
    """

    def __init__(
        self,
        first: bytes,
        blocks: Generator[bytes],
        *,
        stop: Callable[[], None],
        close: Callable[[], None],
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(chain([first], blocks), media_type=media_type, headers=headers)
        self._blocks, self._stop, self._close = blocks, stop, close

    async def listen_for_disconnect(self, receive: Receive) -> None:
        await super().listen_for_disconnect(receive)
        await run_in_threadpool(self._stop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            with anyio.fail_after(STALLED_AFTER_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._end)

    def _end(self) -> None:
        try:
            self._blocks.close()
        finally:
            self._close()
