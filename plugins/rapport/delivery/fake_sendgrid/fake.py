"""The fake itself: what it does with each request, and the control endpoint by which it is told to
misbehave."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

import orjson

from rapport.delivery.fake_sendgrid.faults import Fault, Faults, answer_of
from rapport.delivery.fake_sendgrid.http_server import Answer, Request, json_answer
from rapport.delivery.fake_sendgrid.log import Accepted, Asked, Log
from rapport.delivery.fake_sendgrid.mail_send import (
    Refused,
    accepted_answer,
    accepted_recipients,
    addresses,
    is_sandboxed,
    new_request_id,
    read_mail,
)
from rapport.delivery.fake_sendgrid.mistakes import Mistake, refusal
from rapport.delivery.fake_sendgrid.openapi import MailDocument
from rapport.delivery.fake_sendgrid.rate_limit import RateLimit

CONTROL = "/_fake/"
SCOPES = [
    "mail.send",
    "suppression.read",
    "asm.groups.suppressions.read",
    "user.webhooks.event.settings.read",
]


@dataclass(frozen=True)
class Options:
    """`key`: the API key that is let in, None: any. `openapi`: SendGrid's document of mail/send, None: only
    the rules of this package. `keeps_bodies`: the log holds each accepted mail. `per_minute`: requests, None:
    no limit."""

    log: Path
    key: str | None = None
    openapi: Path | None = None
    seed: int = 1
    is_durable: bool = False
    keeps_bodies: bool = True
    per_minute: int | None = None


@dataclass
class _Reply:
    """An answer with what the log says about it."""

    answer: Answer
    accepted: list[Accepted]
    request_id: str | None = None
    errors: tuple[Mistake, ...] = ()
    body: dict[str, object] | None = None


class Fake:
    """Answers requests; one at a time, so that its log is in their order."""

    def __init__(self, options: Options) -> None:
        """Raises ConfigurationError where the OpenAPI document is none."""
        self._options = options
        self._document = MailDocument(options.openapi) if options.openapi is not None else None
        self._faults = Faults(options.seed)
        self._rate_limit = RateLimit(options.per_minute)
        self._log = Log(options.log, options.is_durable)

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        if request.path.startswith(CONTROL):
            return self._control(request)
        return self._play(request)

    def _play(self, request: Request) -> Answer:
        now = time.time()
        parsed: list[list[list[str]]] = []

        def recipients() -> list[list[str]]:
            if not parsed:
                parsed.append(_addresses(request))
            return parsed[0]

        fault = self._faults.next(request.path, recipients)
        if fault is not None and not (fault.after_accepting or fault.kind in ("slow", "late")):
            reply = _Reply(answer_of(fault, Answer(202), recipients(), now), [])
        else:
            reply = self._reply(request, now)
            if fault is not None:
                reply.answer = answer_of(fault, reply.answer, recipients(), now)
        # What was accepted is in the log before anybody is told.
        self._log.write(
            Asked(
                now,
                request.method,
                request.path,
                None if reply.answer.fate in ("reset", "silence") else reply.answer.status,
                reply.request_id,
                len(reply.accepted),
                fault.kind if fault is not None else None,
                [mistake.as_json() for mistake in reply.errors],
                request.query,
                reply.body if self._options.keeps_bodies else None,
            ),
            reply.accepted,
        )
        return reply.answer

    def _reply(self, request: Request, now: float) -> _Reply:
        is_allowed, limits = self._rate_limit.take(now)
        if not is_allowed:
            return _refused(429, Mistake("too many requests"), limits)
        if not self._lets_in(request):
            message = "The provided authorization grant is invalid, expired, or revoked"
            return _refused(401, Mistake(message))
        routes = {"/v3/mail/send": ("POST", self._mail), "/v3/scopes": ("GET", self._scopes)}
        if request.path not in routes:
            return _refused(404, Mistake("not found"))
        method, reply = routes[request.path]
        if request.method != method:
            return _refused(405, Mistake("method not allowed"), {"Allow": method})
        found = reply(request, now)
        found.answer.headers.update(limits)
        return found

    def _lets_in(self, request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and bool(key) and self._options.key in (None, key)

    def _mail(self, request: Request, now: float) -> _Reply:
        try:
            body = read_mail(request, self._document, now)
        except Refused as refused:
            return _Reply(refused.answer, [], errors=tuple(refused.mistakes))
        if is_sandboxed(body):
            return _Reply(accepted_answer("", True), [])
        request_id = new_request_id()
        accepted = accepted_recipients(body, request_id, now)
        return _Reply(accepted_answer(request_id, False), accepted, request_id, body=body)

    def _scopes(self, request: Request, now: float) -> _Reply:
        return _Reply(json_answer(200, {"scopes": SCOPES}), [])

    def _control(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix(CONTROL):
            case "GET", "state":
                return json_answer(200, {"faults_played": self._faults.played()})
            case "PUT", "faults":
                self._faults.replace([Fault(**each) for each in orjson.loads(request.body)])
                return Answer(204)
            case "POST", "clear":
                self._faults.replace([])
                self._log.clear()
                return Answer(204)
            case _:
                return refusal(404, [Mistake(f"{request.path} is no part of the fake's control endpoint")])


def _refused(status: int, mistake: Mistake, headers: dict[str, str] | None = None) -> _Reply:
    return _Reply(refusal(status, [mistake], headers), [], errors=(mistake,))


def _addresses(request: Request) -> list[list[str]]:
    try:
        return addresses(orjson.loads(request.body))
    except orjson.JSONDecodeError:
        return []
