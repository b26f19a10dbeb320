"""SendGrid's API as far as Rapport asks it: who is let in, which path does what."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from rapport.delivery.fake_sendgrid.http_server import Answer, Request, json_answer
from rapport.delivery.fake_sendgrid.log import Accepted
from rapport.delivery.fake_sendgrid.mail_send import (
    Refused,
    accepted_answer,
    accepted_recipients,
    is_sandboxed,
    new_request_id,
    read_mail,
)
from rapport.delivery.fake_sendgrid.mistakes import Mistake, refusal
from rapport.delivery.fake_sendgrid.openapi import MailDocument
from rapport.delivery.fake_sendgrid.rate_limit import RateLimit
from rapport.delivery.fake_sendgrid.suppressions import Suppressions

SCOPES = [
    "mail.send",
    "suppression.read",
    "asm.groups.suppressions.read",
    "user.webhooks.event.settings.read",
]
MAX_ERASED = 5000


@dataclass
class Reply:
    """An answer with what the log says about it: whom it accepts a mail for, or what was wrong."""

    answer: Answer
    accepted: list[Accepted] = field(default_factory=list)
    request_id: str | None = None
    body: dict[str, Any] | None = None

    @property
    def errors(self) -> list[dict[str, Any]]:
        return orjson.loads(self.answer.body)["errors"] if self.answer.status >= 400 else []


class Api:
    """`key` is the API key that is let in, None lets in any; `openapi` is SendGrid's document of mail/send;
    `per_minute` limits requests."""

    def __init__(
        self, key: str | None, openapi: Path | None, per_minute: int | None, suppressions: Suppressions
    ) -> None:
        """Raises ConfigurationError where the OpenAPI document is none."""
        self._key = key
        self._document = MailDocument(openapi) if openapi is not None else None
        self._rate_limit = RateLimit(per_minute)
        self._suppressions = suppressions
        self._answers: dict[str, Any] = {}

    def set_answers(self, answers: dict[str, Any]) -> None:
        """What to answer, with 200, to requests like `GET /v3/whitelabel/domains`."""
        self._answers = answers

    def reply(self, request: Request, now: float) -> Reply:
        """The reply of a SendGrid that works."""
        is_allowed, limits = self._rate_limit.take(now)
        if not is_allowed:
            return Reply(refusal(429, [Mistake("too many requests")], limits))
        if not self._lets_in(request):
            message = "The provided authorization grant is invalid, expired, or revoked"
            return Reply(refusal(401, [Mistake(message)], limits))
        reply = self._mail(request, now) if request.path == "/v3/mail/send" else self._other(request, now)
        reply.answer.headers.update(limits)
        return reply

    def _lets_in(self, request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and bool(key) and self._key in (None, key)

    def _mail(self, request: Request, now: float) -> Reply:
        if request.method != "POST":
            return Reply(refusal(405, [Mistake("method not allowed")], {"Allow": "POST"}))
        try:
            body = read_mail(request, self._document, now)
        except Refused as refused:
            return Reply(refused.answer)
        if is_sandboxed(body):
            return Reply(accepted_answer("", True))
        request_id = new_request_id()
        accepted = accepted_recipients(body, request_id, now)
        return Reply(accepted_answer(request_id, False), accepted, request_id, body)

    def _other(self, request: Request, now: float) -> Reply:
        asked = f"{request.method} {request.path}"
        if asked in self._answers:
            return Reply(json_answer(200, self._answers[asked]))
        try:
            answer = self._suppressions.answer(request, now)
            if answer is None:
                match asked:
                    case "GET /v3/scopes":
                        answer = json_answer(200, {"scopes": SCOPES})
                    case "POST /v3/recipients/erasejob":
                        answer = _erase(orjson.loads(request.body))
                    case _:
                        answer = refusal(404, [Mistake("not found")])
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            answer = refusal(400, [Mistake("Bad Request")])
        return Reply(answer)


def _erase(asked: dict[str, Any]) -> Answer:
    emails = asked.get("email_addresses")
    if not isinstance(emails, list) or not 1 <= len(emails) <= MAX_ERASED:
        return refusal(
            400, [Mistake(f"email_addresses must list 1 to {MAX_ERASED} addresses", "email_addresses")]
        )
    return json_answer(202, {"job_id": new_request_id()})
