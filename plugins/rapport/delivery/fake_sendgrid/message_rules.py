"""SendGrid's rules about what a request says, beyond its OpenAPI document: from its pages on errors and
limits. Each takes a request of the right structure and the time in seconds, and gives what is wrong with
it."""

import binascii
from collections.abc import Iterator
from typing import Any

from rapport.delivery.fake_sendgrid.mistakes import Mistake

Body = dict[str, Any]

MAX_BYTES = 10_000
MAX_AHEAD = 72 * 3600
MAX_CATEGORIES = 10
RESERVED_HEADERS = frozenset(
    (
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    )
)
_OTHER_BYPASSES = ("bypass_spam_management", "bypass_bounce_management", "bypass_unsubscribe_management")


def subject(body: Body, now: float) -> Iterator[Mistake]:
    """There is one for everybody, on one line."""
    personalizations = body.get("personalizations", ())
    if (
        not body.get("subject")
        and "template_id" not in body
        and not all(each.get("subject") for each in personalizations)
    ):
        yield Mistake(
            "The subject is required. You can get around this requirement if you use a template with a "
            "subject defined or if every personalization has a subject defined.",
            "subject",
            "subject",
        )
    for place, part in _parts(body):
        if part.get("subject") == "":
            yield Mistake(
                "The subject must be a string at least one character in length.", f"{place}subject", "subject"
            )
        if any(character in part.get("subject", "") for character in "\r\n"):
            yield Mistake("The subject must not contain line breaks.", f"{place}subject", "subject")


def content(body: Body, now: float) -> Iterator[Mistake]:
    """Something to read, plain text before HTML, each once."""
    if not body.get("content") and "template_id" not in body:
        yield Mistake(
            "Unless a valid template_id is provided, the content parameter is required. There must be at "
            "least one defined content block. We typically suggest both text/plain and text/html blocks are "
            "included, but only one block is required.",
            "content",
            "content",
        )
    kinds = [part["type"] for part in body.get("content", ())]
    if kinds.count("text/plain") > 1 or kinds.count("text/html") > 1:
        yield Mistake(
            "If present, text/plain and text/html may only be provided once.", "content", "content.type"
        )
    elif kinds != sorted(kinds, key=lambda kind: {"text/plain": 0, "text/html": 1}.get(kind, 2)):
        yield Mistake(
            "If present, text/plain must be first, followed by text/html, followed by any other content.",
            "content",
            "content.type",
        )
    for place, part in enumerate(body.get("content", ())):
        if not part["value"]:
            yield Mistake(
                "The content value must be a string at least one character in length.",
                f"content.{place}.value",
                "content.value",
            )
        if not part["type"] or any(character in part["type"] for character in ";\r\n"):
            yield Mistake(
                "The content type must not be empty and must not contain ;, or CRLF characters.",
                f"content.{place}.type",
                "content.type",
            )


def headers(body: Body, now: float) -> Iterator[Mistake]:
    """None that SendGrid writes itself, names in ASCII without spaces, values on one line."""
    for place, part in _parts(body):
        for name, value in part.get("headers", {}).items():
            if name.lower() in RESERVED_HEADERS:
                yield Mistake(
                    f"The header {name} is reserved and must not be used.",
                    f"{place}headers.{name}",
                    "headers",
                )
            elif not name or not name.isascii() or any(character in name for character in " :\r\n"):
                yield Mistake(
                    "The header names must be ASCII and must not contain spaces.",
                    f"{place}headers",
                    "headers",
                )
            if any(character in value for character in "\r\n"):
                yield Mistake(
                    "The header values must not contain line breaks.", f"{place}headers.{name}", "headers"
                )


def custom_args(body: Body, now: float) -> Iterator[Mistake]:
    """Under 10,000 bytes for each recipient, those of the message included."""
    general = body.get("custom_args", {})
    for number, personalization in enumerate(body.get("personalizations", ())):
        if _bytes({**general, **personalization.get("custom_args", {})}) >= MAX_BYTES:
            yield Mistake(
                f"The combined custom_args must be less than {MAX_BYTES} bytes.",
                f"personalizations.{number}.custom_args",
                "personalizations.custom_args",
            )


def substitutions(body: Body, now: float) -> Iterator[Mistake]:
    """At most 10,000 bytes a personalization, and not with a dynamic template."""
    is_dynamic = body.get("template_id", "").startswith("d-")
    for number, personalization in enumerate(body.get("personalizations", ())):
        found = personalization.get("substitutions", {})
        if found and is_dynamic:
            yield Mistake(
                "Substitutions may not be used with dynamic templating",
                f"personalizations.{number}.substitutions",
                "personalizations.substitutions",
            )
        if _bytes(found) > MAX_BYTES:
            yield Mistake(
                f"The substitutions of a personalization are limited to {MAX_BYTES} bytes.",
                f"personalizations.{number}.substitutions",
                "personalizations.substitutions",
            )


def send_at(body: Body, now: float) -> Iterator[Mistake]:
    """At most 72 hours ahead."""
    for place, part in _parts(body):
        if part.get("send_at", 0) > now + MAX_AHEAD:
            yield Mistake(
                "Scheduling more than 72 hours in advance is forbidden.", f"{place}send_at", "send_at"
            )


def categories(body: Body, now: float) -> Iterator[Mistake]:
    """At most ten, each once, at most 255 characters."""
    found = body.get("categories", ())
    if len(found) > MAX_CATEGORIES:
        yield Mistake(f"You cannot have more than {MAX_CATEGORIES} categories.", "categories", "categories")
    if len(set(found)) < len(found):
        yield Mistake("The categories must be unique.", "categories", "categories")
    for place, category in enumerate(found):
        if not category or len(category) > 255:
            yield Mistake(
                "A category name must have 1 to 255 characters.", f"categories.{place}", "categories"
            )


def settings(body: Body, now: float) -> Iterator[Mistake]:
    """Bypassing every list goes alone; an IP pool's name and the groups to display have their limits."""
    bypasses = {name for name, setting in body.get("mail_settings", {}).items() if setting.get("enable")}
    if "bypass_list_management" in bypasses and bypasses.intersection(_OTHER_BYPASSES):
        yield Mistake(
            "bypass_list_management cannot be combined with any other bypass filters.",
            "mail_settings.bypass_list_management",
            "mail_settings",
        )
    if not 2 <= len(body.get("ip_pool_name", "..")) <= 64:
        yield Mistake("The ip_pool_name must have 2 to 64 characters.", "ip_pool_name", "ip_pool_name")
    if len(body.get("asm", {}).get("groups_to_display", ())) > 25:
        yield Mistake("You can list up to 25 unsubscribe groups to display.", "asm.groups_to_display", "asm")


def attachments(body: Body, now: float) -> Iterator[Mistake]:
    """Base64, of a type if any is given, shown inline or attached."""
    for place, attachment in enumerate(body.get("attachments", ())):
        if not _is_base64(attachment["content"]):
            yield Mistake(
                "The attachment content must be base64 encoded.",
                f"attachments.{place}.content",
                "attachments",
            )
        if not attachment.get("type", "-"):
            yield Mistake(
                "The attachment type must have at least one character.",
                f"attachments.{place}.type",
                "attachments",
            )
        if attachment.get("disposition", "attachment") not in ("inline", "attachment"):
            yield Mistake(
                "The disposition must be inline or attachment.",
                f"attachments.{place}.disposition",
                "attachments",
            )


def _is_base64(text: str) -> bool:
    try:
        return bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        return False


def _parts(body: Body) -> Iterator[tuple[str, dict[str, Any]]]:
    """The message and each personalization, with what their fields' names begin with."""
    yield "", body
    for number, personalization in enumerate(body.get("personalizations", ())):
        yield f"personalizations.{number}.", personalization


def _bytes(values: dict[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in values.items())


MESSAGE_RULES = (
    subject,
    content,
    headers,
    custom_args,
    substitutions,
    send_at,
    categories,
    settings,
    attachments,
)
