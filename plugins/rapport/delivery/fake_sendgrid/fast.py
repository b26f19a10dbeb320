"""The fake for benchmarks: believes what it is sent and counts instead of logging, so that it costs
little."""

from dataclasses import asdict
from typing import Any

import orjson

from rapport.delivery.fake_sendgrid.http_server import Answer, Request, json_answer
from rapport.delivery.fake_sendgrid.mail_send import new_request_id
from rapport.delivery.fake_sendgrid.mistakes import Mistake, refusal
from rapport.delivery.fake_sendgrid.tally import Counter

_LIMITS = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "599", "X-RateLimit-Reset": "0"}


class FastFake:
    """Accepts every mail/send that is JSON with recipients, from whoever has the key."""

    def __init__(self, key: str | None) -> None:
        self._authorization = f"Bearer {key}" if key is not None else None
        self._counter = Counter()

    def handle(self, request: Request) -> Answer:
        match request.method, request.path:
            case "POST", "/v3/mail/send":
                return self._mail(request)
            case "GET", "/_fake/state":
                return json_answer(200, {"faults_played": [], "tally": asdict(self._counter.tally())})
            case "POST", "/_fake/clear":
                self._counter = Counter()
                return Answer(204)
            case _:
                return refusal(404, [Mistake("the fast fake takes mails only")])

    def _mail(self, request: Request) -> Answer:
        if self._authorization not in (None, request.headers.get("authorization")):
            return refusal(401, [Mistake("authorization required")])
        try:
            body = orjson.loads(request.body)
            general = body.get("custom_args", {}).get("rapport_message")
            ids = [
                _message_id(each) or general or each["to"][0]["email"] for each in body["personalizations"]
            ]
        except (ValueError, LookupError, TypeError, AttributeError):
            return refusal(413 if request.is_too_large else 400, [Mistake("Bad Request")])
        self._counter.add(len(request.body), ids)
        return Answer(202, b"", {"X-Message-Id": new_request_id(), **_LIMITS})


def _message_id(personalization: dict[str, Any]) -> str | None:
    return personalization.get("custom_args", {}).get("rapport_message")
