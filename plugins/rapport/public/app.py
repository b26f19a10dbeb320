"""The public web application: the webhook, the unsubscribe link, a health check, and nothing else."""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rapport.delivery.configuration import Sender, Topic
from rapport.delivery.unsubscribe import UnsubscribeKeys
from rapport.errors import WarehouseUnavailable
from rapport.public.database import Database
from rapport.public.failures import FailureLimit
from rapport.public.pages import Pages
from rapport.public.unsubscribe_link import METHODS, unsubscribe_link
from rapport.public.webhook import WebhookKeys, webhook

access = logging.getLogger("rapport.public.access")


@dataclass(frozen=True)
class Site:
    """What the application is made of."""

    sender: Sender
    topics: dict[str, Topic]
    unsubscribe_keys: UnsubscribeKeys
    webhook_keys: WebhookKeys


def make_app(site: Site, database: Database) -> ASGIApp:
    """The application; it closes the database when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await database.close()

    async def health(_: Request) -> Response:
        await database.is_there()
        return Response("ok", media_type="text/plain")

    async def unavailable(_: Request, error: Exception) -> Response:
        access.error("%s", error)
        return Response("try again later", 503, {"Retry-After": "60"}, "text/plain")

    app = FastAPI(openapi_url=None, lifespan=lifespan, exception_handlers={WarehouseUnavailable: unavailable})
    app.add_route("/hooks/sendgrid", webhook(site.webhook_keys, database, FailureLimit()), methods=["POST"])
    pages = Pages(site.sender, site.topics)
    link = unsubscribe_link(site.unsubscribe_keys, database, pages, FailureLimit())
    app.add_route("/u/{token}", link, methods=list(METHODS))
    app.add_route("/health", health, methods=["GET"])
    return Envelope(app)


class Envelope:
    """Around every request: headers that every answer carries, and a line in the log without any token."""

    HEADERS = (
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *self.HEADERS]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            milliseconds = (time.perf_counter() - begun) * 1000
            access.info("%s %s %d %.0f ms", scope["method"], shown_path(scope["path"]), status, milliseconds)


def shown_path(path: str) -> str:
    """The path as a log may hold it: what follows /u/ lets whoever reads it unsubscribe somebody."""
    if path.startswith("/u/"):
        return "/u/…"
    return path if path in ("/hooks/sendgrid", "/health") else "another path"
