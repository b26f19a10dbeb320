"""POST /v3/mail/send: checks a request, accepts it, knows who is in it."""

import secrets
from collections.abc import Iterator
from typing import Any

import orjson

from rapport.delivery.fake_sendgrid.http_server import Answer, Request
from rapport.delivery.fake_sendgrid.log import Accepted
from rapport.delivery.fake_sendgrid.message_rules import MESSAGE_RULES
from rapport.delivery.fake_sendgrid.mistakes import Mistake, refusal
from rapport.delivery.fake_sendgrid.openapi import MailDocument
from rapport.delivery.fake_sendgrid.recipient_rules import RECIPIENT_RULES
from rapport.delivery.fake_sendgrid.structure import mistakes_of_structure

Body = dict[str, Any]


class Refused(Exception):
    """The request gets this answer."""

    def __init__(self, status: int, mistakes: list[Mistake]) -> None:
        super().__init__(status)
        self.answer = refusal(status, mistakes)


def read_mail(request: Request, document: MailDocument | None, now: float) -> Body:
    """The request's mail, checked against the document (where there is one) and every rule.

    Raises:
        Refused: with 413, 415 or 400.
    """
    if request.is_too_large:
        raise Refused(413, [Mistake("content too large")])
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, [Mistake("Content-Type should be application/json.")])
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Refused(400, [Mistake("Bad Request")]) from None
    mistakes = list(_unique(_mistakes(body, document, now)))
    if mistakes:
        raise Refused(400, mistakes)
    return body


def _mistakes(body: Any, document: MailDocument | None, now: float) -> Iterator[Mistake]:
    found = False
    for mistake in mistakes_of_structure(body):
        found = True
        yield mistake
    if not found:  # the rules read a body of the right structure
        for recipient_rule in RECIPIENT_RULES:
            yield from recipient_rule(body)
        for message_rule in MESSAGE_RULES:
            yield from message_rule(body, now)
    if document is not None:
        yield from document.mistakes(body)


def _unique(mistakes: Iterator[Mistake]) -> Iterator[Mistake]:
    """One mistake a field, the first: the document and the rules often find the same."""
    seen = set()
    for mistake in mistakes:
        if mistake.field is None or mistake.field not in seen:
            seen.add(mistake.field)
            yield mistake


def is_sandboxed(body: Body) -> bool:
    """Whether the request asks for no more than a check."""
    return bool(body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"))


def accepted_recipients(body: Body, request_id: str, now: float) -> list[Accepted]:
    """Each recipient of a mail, with the custom arguments that its events will carry."""
    general, categories = body.get("custom_args", {}), body.get("categories", [])
    found: list[Accepted] = []
    for place, personalization in enumerate(body["personalizations"]):
        custom_args = {**general, **personalization.get("custom_args", {})}
        for header in ("to", "cc", "bcc"):
            for recipient in personalization.get(header, ()):
                sg_message_id = f"{request_id}.recvd-fake-{place}-{header}.{len(found)}"
                found.append(
                    Accepted(
                        now,
                        request_id,
                        place,
                        header,
                        recipient["email"],
                        sg_message_id,
                        custom_args,
                        categories,
                    )
                )
    return found


def addresses(body: object) -> list[list[str]]:
    """The addresses of each personalization, as far as a body of any structure has them."""
    personalizations = body.get("personalizations") if isinstance(body, dict) else None
    found: list[list[str]] = []
    for personalization in personalizations if isinstance(personalizations, list) else ():
        found.append([])
        for kind in ("to", "cc", "bcc"):
            recipients = personalization.get(kind) if isinstance(personalization, dict) else None
            for recipient in recipients if isinstance(recipients, list) else ():
                if isinstance(recipient, dict) and isinstance(recipient.get("email"), str):
                    found[-1].append(recipient["email"])
    return found


def new_request_id() -> str:
    """Like an X-Message-Id: 22 characters of base64."""
    return secrets.token_urlsafe(16)


def accepted_answer(request_id: str, is_sandbox: bool) -> Answer:
    """202 with the request's X-Message-Id and no body; 200 without one where nothing is sent."""
    return Answer(200 if is_sandbox else 202, b"", {} if is_sandbox else {"X-Message-Id": request_id})
