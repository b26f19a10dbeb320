"""What goes wrong on purpose: which requests, how often, before or after the mails were accepted."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rapport.delivery.fake_sendgrid.http_server import Answer
from rapport.delivery.fake_sendgrid.mistakes import Mistake, refusal

Kind = Literal[
    "status",
    "wrong_sender",
    "proxy_page",
    "rate_limit",
    "too_large",
    "named",
    "unnamed",
    "reset",
    "silence",
    "slow",
    "late",
]


@dataclass(frozen=True)
class Fault:
    """One way to misbehave.

    kind: `status` answers with `status` and SendGrid's error body; `proxy_page` with `status` and a page of
    HTML; `rate_limit` 429 with a Reset `seconds` ahead; `too_large` 413; `named` a 400 that names the
    personalizations that `recipients` matches, and `field` in each; `unnamed` a 400 that names none;
    `wrong_sender` a 403 about From; `reset` breaks the connection; `silence` never answers; `slow` answers
    byte by byte over `seconds`; `late` answers after `seconds`.
    after_accepting: the mails are accepted and logged first. `slow` and `late` always accept.
    recipients: a regular expression; the fault is for requests with an address in which it is found.
    more_than: only requests with more personalizations than this.
    path: a regular expression that the whole path matches.
    skip, times: leave out the first requests that match; stop after so many (None: never).
    probability: of those left, how often; drawn from the fake's seed.
    """

    kind: Kind
    status: int = 500
    after_accepting: bool = False
    recipients: str | None = None
    more_than: int = 0
    path: str = "/v3/mail/send"
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    seconds: float = 1.0
    field: str = "to.0.email"


@dataclass
class _Played:
    fault: Fault
    seen: int = 0
    played: int = 0


class Faults:
    """The faults in force; the first that applies to a request is played."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._played: list[_Played] = []

    def replace(self, faults: Sequence[Fault]) -> None:
        """These and no others from now on, counted from zero.

        Raises:
            re.error: an expression is none.
        """
        for fault in faults:
            re.compile(fault.recipients or "")
            re.compile(fault.path)
        self._played = [_Played(fault) for fault in faults]

    def played(self) -> list[int]:
        """How often each fault was played, in their order."""
        return [each.played for each in self._played]

    def next(self, path: str, recipients: Callable[[], list[list[str]]]) -> Fault | None:
        """The fault to play for a request. `recipients` gives the addresses of each personalization."""
        for each in self._played:
            if self._applies(each, path, recipients):
                each.played += 1
                return each.fault
        return None

    def _applies(self, each: _Played, path: str, recipients: Callable[[], list[list[str]]]) -> bool:
        fault = each.fault
        if fault.times is not None and each.played >= fault.times:
            return False
        if not re.fullmatch(fault.path, path):
            return False
        if fault.more_than and len(recipients()) <= fault.more_than:
            return False
        if fault.recipients is not None and not matching(fault, recipients()):
            return False
        each.seen += 1
        return each.seen > fault.skip and self._random.random() < fault.probability


def matching(fault: Fault, recipients: list[list[str]]) -> list[int]:
    """The places of the personalizations that the fault's expression matches; all where it has none."""
    expression = re.compile(fault.recipients or "")
    return [place for place, addresses in enumerate(recipients) if any(map(expression.search, addresses))]


def answer_of(fault: Fault, normal: Answer, recipients: list[list[str]], now: float) -> Answer:
    """What the client gets; `normal` is the answer that it would have got."""
    match fault.kind:
        case "slow" | "late":
            return Answer(normal.status, normal.body, normal.headers, fault.kind, fault.seconds)
        case "reset" | "silence":
            return Answer(normal.status, fate=fault.kind)
        case "proxy_page":
            page = (
                f"<html><head><title>{fault.status}</title></head><body><h1>{fault.status}</h1></body></html>"
            )
            return Answer(fault.status, page.encode(), {"Content-Type": "text/html", "Server": "proxy"})
        case "rate_limit":
            limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(now + fault.seconds) + 1)}
            return refusal(429, [Mistake("too many requests")], {**normal.headers, **limits})
        case "named":
            return refusal(
                400,
                [
                    Mistake(
                        "Does not contain a valid address.",
                        f"personalizations.{place}.{fault.field}",
                        f"personalizations.{fault.field.partition('.')[0]}",
                    )
                    for place in matching(fault, recipients)
                ],
            )
        case "wrong_sender":
            return refusal(403, [Mistake(_WRONG_SENDER, "from")])
        case "unnamed":
            return refusal(400, [Mistake("Bad Request")])
        case "too_large":
            return refusal(413, [Mistake("content too large")])
        case "status":
            return refusal(fault.status, [Mistake(_MESSAGES.get(fault.status, "internal server error"))])


_WRONG_SENDER = (
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is "
    "resolved. Visit SendGrid's pages on sender identities to see the requirements."
)
_MESSAGES = {
    400: "Bad Request",
    401: "The provided authorization grant is invalid, expired, or revoked",
    403: "access forbidden",
    404: "not found",
    405: "method not allowed",
    413: "content too large",
    415: "Content-Type should be application/json.",
    429: "too many requests",
}
