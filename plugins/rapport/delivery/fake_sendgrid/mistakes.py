"""What is wrong with a request, in the form of SendGrid's error bodies."""

from collections.abc import Iterable
from dataclasses import dataclass

from rapport.delivery.fake_sendgrid.http_server import Answer, json_answer

_ERRORS_PAGE = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message."


@dataclass(frozen=True, slots=True)
class Mistake:
    """One entry of `errors`. `field` names the place in the request, e.g. `personalizations.3.to`; `topic` is
    the part of SendGrid's page of errors that explains it."""

    message: str
    field: str | None = None
    topic: str | None = None

    def as_json(self) -> dict[str, str | None]:
        return {
            "message": self.message,
            "field": self.field,
            "help": _ERRORS_PAGE + self.topic if self.topic is not None else None,
        }


def refusal(status: int, mistakes: Iterable[Mistake], headers: dict[str, str] | None = None) -> Answer:
    """An answer with SendGrid's error body."""
    return json_answer(status, {"errors": [mistake.as_json() for mistake in mistakes]}, headers)
