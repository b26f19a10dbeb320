"""What each recipient of an accepted mail would get: substitutions applied, headers put together."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rapport.delivery.fake_sendgrid.log import Accepted
from rapport.delivery.fake_sendgrid.mail_send import accepted_recipients


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """One recipient's mail. `text` and `html` are None where the request had no such content. `is_ambiguous`:
    a substitution's value contains a tag, or a tag another, which SendGrid's pages leave open: what arrives
    may differ from this."""

    accepted: Accepted
    sender: dict[str, str]
    reply_to: list[dict[str, str]]
    subject: str
    text: str | None
    html: str | None
    headers: dict[str, str]
    tracks_clicks: bool
    tracks_opens: bool
    is_ambiguous: bool

    @property
    def email(self) -> str:
        return self.accepted.email

    @property
    def message_id(self) -> str | None:
        return self.accepted.message_id


def received_mails(body: dict[str, Any], request_id: str, at: float) -> Iterator[ReceivedMail]:
    """The mails of an accepted request. Those of a template that SendGrid holds have no text and no HTML."""
    contents = {part["type"]: part["value"] for part in body.get("content", ())}
    answers = [body["reply_to"]] if "reply_to" in body else body.get("reply_to_list", [])
    for accepted in accepted_recipients(body, request_id, at):
        personalization = body["personalizations"][accepted.place]
        substitution = _Substitution(personalization.get("substitutions", {}))
        yield ReceivedMail(
            accepted,
            personalization.get("from", body["from"]),
            [{name: substitution(value) for name, value in answer.items()} for answer in answers],
            substitution(personalization.get("subject", body.get("subject", ""))),
            substitution(contents["text/plain"]) if "text/plain" in contents else None,
            substitution(contents["text/html"]) if "text/html" in contents else None,
            {**body.get("headers", {}), **personalization.get("headers", {})},
            _tracks(body, "click_tracking"),
            _tracks(body, "open_tracking"),
            substitution.is_ambiguous,
        )


def _tracks(body: dict[str, Any], what: str) -> bool:
    # A request that says nothing gets what new accounts have: both are on.
    return body.get("tracking_settings", {}).get(what, {}).get("enable", True)


class _Substitution:
    """Replaces tags in one pass from left to right, the longest tag first."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        tags = sorted(filter(None, values), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, tags)) or "(?!)")
        self.is_ambiguous = any(self._pattern.search(value) for value in values.values()) or any(
            tag != other and tag in other for tag in tags for other in tags
        )

    def __call__(self, text: str) -> str:
        return self._pattern.sub(lambda match: self._values[match[0]], text)
