"""SendGrid's rules about who a request is for, beyond its OpenAPI document: from its pages on errors and
limits. Each takes a request of the right structure and gives what is wrong with it."""

import re
from collections.abc import Iterator
from typing import Any

from rapport.delivery.fake_sendgrid.mistakes import Mistake

Body = dict[str, Any]

MAX_RECIPIENTS = 1000
# As in RFC 5321, without quoted local parts.
_ADDRESS = re.compile(r"[^\s@<>(),;:\\\"\[\]]+@[^\s@<>(),;:\\\"\[\]]+\.[^\s@<>(),;:\\\"\[\]]+")


def number_of_personalizations(body: Body) -> Iterator[Mistake]:
    """One to a thousand."""
    count = len(body.get("personalizations", ()))
    if count == 0:
        yield Mistake("You must have at least one personalization.", "personalizations", "personalizations")
    elif count > MAX_RECIPIENTS:
        yield Mistake(
            f"The personalization block is limited to {MAX_RECIPIENTS} personalizations per API request. You "
            f"have provided {count} personalizations. Please consider splitting this into multiple requests "
            "and resending your request.",
            "personalizations",
            "personalizations",
        )


def number_of_recipients(body: Body) -> Iterator[Mistake]:
    """At most a thousand in all, at least one `to` in each personalization."""
    if sum(1 for _ in _recipients(body)) > MAX_RECIPIENTS:
        yield Mistake(
            f"There is a limit of {MAX_RECIPIENTS} total recipients (to + cc + bcc) per request.",
            "personalizations",
            "personalizations",
        )
    for number, personalization in enumerate(body.get("personalizations", ())):
        if not personalization["to"]:
            yield Mistake(
                "The to array is required for all personalization objects, and must have at least one email "
                "object with a valid email address.",
                f"personalizations.{number}.to",
                "personalizations.to",
            )


def unique_recipients(body: Body) -> Iterator[Mistake]:
    """An address once in a request, whatever its case."""
    seen: dict[str, int] = {}
    for number, kind, _, recipient in _recipients(body):
        first = seen.setdefault(recipient["email"].lower(), -1)
        seen[recipient["email"].lower()] = number
        if first == number:
            yield Mistake(
                "Each email address in the personalization block should be unique between to, cc, and bcc. "
                f"We found the first duplicate instance of [{recipient['email']}] in the "
                f"personalizations.{number}.{kind} field.",
                f"personalizations.{number}",
                "recipient-errors",
            )
        elif first >= 0:
            yield Mistake(
                "Each unique email address in the personalizations array should only be included once. You "
                f"have included {recipient['email']} more than once.",
                "personalizations",
                "recipient-errors",
            )


def addresses_of_recipients(body: Body) -> Iterator[Mistake]:
    """Each is one."""
    for number, kind, place, recipient in _recipients(body):
        if not _ADDRESS.fullmatch(recipient["email"]):
            yield Mistake(
                "Does not contain a valid address.",
                f"personalizations.{number}.{kind}.{place}.email",
                f"personalizations.{kind}",
            )


def names_of_recipients(body: Body) -> Iterator[Mistake]:
    """Without what separates addresses."""
    for number, kind, place, recipient in _recipients(body):
        name = recipient.get("name", "")
        if ";" in name or "," in name:
            yield Mistake(
                "The name should not contain ; or , characters.",
                f"personalizations.{number}.{kind}.{place}.name",
                f"personalizations.{kind}",
            )


def senders(body: Body) -> Iterator[Mistake]:
    """Valid addresses; no Unicode in From."""
    written = [("from", body["from"])]
    written += [
        (f"personalizations.{number}.from", personalization["from"])
        for number, personalization in enumerate(body.get("personalizations", ()))
        if "from" in personalization
    ]
    for place, sender in written:
        if not _ADDRESS.fullmatch(sender["email"]):
            yield Mistake("The from email does not contain a valid address.", f"{place}.email", "from")
        for key, value in sender.items():
            if not value.isascii():
                yield Mistake(
                    "Unicode encoding is not supported for the from field.", f"{place}.{key}", "from"
                )


def answers_go_to(body: Body) -> Iterator[Mistake]:
    """One way of saying where answers go, with valid addresses."""
    if "reply_to" in body and "reply_to_list" in body:
        yield Mistake(
            "You can use either the reply_to property or the reply_to_list property but not both.",
            "reply_to_list",
            "reply_to_list",
        )
    written = [("reply_to", body["reply_to"])] if "reply_to" in body else []
    written += [(f"reply_to_list.{place}", each) for place, each in enumerate(body.get("reply_to_list", ()))]
    for place, address in written:
        if not _ADDRESS.fullmatch(address["email"]):
            yield Mistake(
                "The reply_to email does not contain a valid address.", f"{place}.email", "reply_to"
            )


def _recipients(body: Body) -> Iterator[tuple[int, str, int, dict[str, str]]]:
    """Each recipient with the place of its personalization, `to`, `cc` or `bcc`, and its place there."""
    for number, personalization in enumerate(body.get("personalizations", ())):
        for kind in ("to", "cc", "bcc"):
            for place, recipient in enumerate(personalization.get(kind, ())):
                yield number, kind, place, recipient


RECIPIENT_RULES = (
    number_of_personalizations,
    number_of_recipients,
    unique_recipients,
    addresses_of_recipients,
    names_of_recipients,
    senders,
    answers_go_to,
)
