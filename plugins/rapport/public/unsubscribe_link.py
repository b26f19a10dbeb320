"""`/u/{token}`: a POST withdraws (RFC 8058), anything else only shows.

Whoever holds the token may use it: mailbox providers post it without cookie, origin or log-in, so none is
asked for. All that a token can do is reduce mail.
"""

import logging
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.types import Message

from rapport.delivery.unsubscribe import UnsubscribeKeys, Unsubscription
from rapport.errors import WarehouseUnavailable
from rapport.public.database import Database
from rapport.public.failures import FailureLimit
from rapport.public.pages import Pages
from rapport.public.webhook import BodyTooLarge, Room, read_body, refuse_large

LARGEST_FORM = 2**16
METHODS = ("GET", "HEAD", "POST", "OPTIONS")
log = logging.getLogger(__name__)


def unsubscribe_link(
    keys: UnsubscribeKeys, database: Database, pages: Pages, failures: FailureLimit
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. 404 not our token, 429 that too often, 503 nothing could be changed, else 200."""

    async def answer(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(METHODS)})
        found = keys.read(request.path_params["token"])
        if found is None:
            client = request.client.host if request.client else None
            return pages.too_many() if failures.is_exceeded_by(client) else pages.no_such_link()
        try:
            if request.method == "POST":
                return await _withdraw(request, found, database, pages)
            now = await database.preferences(found.recipient_key)
        except WarehouseUnavailable as error:
            log.error("%s", error)
            return pages.unavailable()
        others = [topic for topic in now.topics if topic != found.topic]
        gets_it = found.topic in now.topics or (found.topic == "all" and bool(now.topics))
        # Of an address that we do not hold we cannot say what it gets: the button is shown.
        return pages.confirm(found.topic, now.address, others, is_wanted=gets_it or now.address is None)

    return answer


async def _withdraw(request: Request, found: Unsubscription, database: Database, pages: Pages) -> Response:
    form = await _form(request)
    match form.get("stop"):
        case "all":
            stopped, reason = ["all"], "unsubscribed"
        case "chosen":
            wanted = (await database.preferences(found.recipient_key)).topics
            ticked = form.getlist("topic")
            stopped, reason = [topic for topic in wanted if topic in ticked], "preferences"
        case _:
            # `List-Unsubscribe=One-Click`, and whatever else a provider may post: it is a will to get less.
            stopped, reason = [found.topic], "unsubscribed"
    if stopped:
        await database.withdraw(found.recipient_key, stopped, reason)
    now = await database.preferences(found.recipient_key)
    return pages.done(stopped, now.address, now.topics)


async def _form(request: Request) -> FormData:
    """The form that was posted, urlencoded or multipart; empty where it cannot be read."""
    try:
        refuse_large(request, LARGEST_FORM)
        body = await read_body(request, LARGEST_FORM, Room())

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return await Request(request.scope, receive).form(max_files=0, max_fields=200)
    except (BodyTooLarge, TimeoutError, HTTPException, FormParserError):
        return FormData()
