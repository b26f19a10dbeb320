"""SendGrid's events as ours: one row an event, whatever fields it has or lacks."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

# Ours by SendGrid's; an event that is not here proves that its message was accepted, and is not kept.
KINDS = {
    "deferred": "deferred",
    "delivered": "delivered",
    "bounce": "bounced",
    "dropped": "dropped",
    "spamreport": "complained",
    "open": "opened",
    "click": "clicked",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
# The beginnings of `reason` of what SendGrid drops because of the address; the others are about the mail.
DROPPED_FOR = {
    "bounced": "bounced",
    "unsubscribed": "unsubscribed",
    "spam reporting": "complained",
    "invalid": "invalid",
}
ABOUT_THE_MAIL = ("invalid smtpapi",)
LONGEST = 2000  # characters kept of a reason, a link, a user agent
TOO_LATE = timedelta(hours=1)  # that far after it was received nothing can have happened


class UnreadableBody(Exception):
    """A body that holds no events; says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a message, or to an address of which we sent none.

    Args:
        message_id: of `rapport_message`, where that is an id of ours.
        name: SendGrid's word for it.
        kind: ours (activation.message_events), None where we keep none.
        occurred_at: when it was received, where the event does not say.
        suppresses: the reason for which its address gets no more mail.
        recipient_key: of the address, where the event suppresses or says no message.
    """

    message_id: UUID | None
    attempt_id: int | None
    name: str
    kind: str | None
    occurred_at: datetime
    detail: str | None
    class_: str | None
    user_agent: str | None
    is_machine_open: bool | None
    suppresses: str | None
    recipient_key: str | None


def read_events(body: bytes, received_at: datetime, key_of: Callable[[str], str]) -> Iterator[Event]:
    """The events of a webhook's body, in its order; what is no event among them is left out.

    Raises:
        UnreadableBody: it is not a list of JSON objects.
    """
    content = _parse(body)
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise UnreadableBody("it is JSON, but no list of events")
    if content and not any(isinstance(entry, dict) for entry in content):
        raise UnreadableBody("it is a list, but not of events")
    for entry in content:
        if isinstance(entry, dict):
            yield _event(entry, received_at, key_of)


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    # One event with half a character must not cost the other hundred.
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise UnreadableBody("it is no JSON") from None


def _event(entry: Mapping[str, Any], received_at: datetime, key_of: Callable[[str], str]) -> Event:
    name = _text(entry.get("event")) or "unknown"
    kind = KINDS.get(name)
    reason = _text(entry.get("reason"))
    class_ = None
    suppresses = kind if kind in ("complained", "unsubscribed") else None
    if kind == "bounced":
        class_ = _bounce_class(entry)
        suppresses = kind if class_ == "hard" else None
    elif kind == "dropped":
        class_ = _dropped_for(reason)
        suppresses = kind if class_ != "other" else None
    message_id = _uuid(entry.get("rapport_message"))
    address = _text(entry.get("email"))
    is_known_by_address = address is not None and (message_id is None or suppresses is not None)
    return Event(
        message_id=message_id,
        attempt_id=_attempt(entry.get("rapport_attempt")),
        name=name[:100],
        kind=kind,
        occurred_at=_time(entry.get("timestamp"), received_at),
        detail=_text(entry.get("url")) if kind == "clicked" else reason or _response(kind, entry),
        class_=class_,
        user_agent=_text(entry.get("useragent")),
        is_machine_open=bool(entry["sg_machine_open"]) if "sg_machine_open" in entry else None,
        suppresses=suppresses,
        recipient_key=key_of(address) if is_known_by_address and address else None,
    )


def _bounce_class(entry: Mapping[str, Any]) -> str:
    """hard, soft or blocked. SendGrid calls a bounce what it will not try again: that is hard."""
    kind = _text(entry.get("type"))
    if kind == "blocked":
        return "blocked"
    status = _text(entry.get("status")) or ""
    return "soft" if kind != "bounce" and status.startswith("4") else "hard"


def _dropped_for(reason: str | None) -> str:
    said = (reason or "").strip().lower()
    if said.startswith(ABOUT_THE_MAIL):
        return "other"
    return next((why for begins, why in DROPPED_FOR.items() if said.startswith(begins)), "other")


def _response(kind: str | None, entry: Mapping[str, Any]) -> str | None:
    """What the other server said to a try that failed; what it says to one that succeeds tells nothing."""
    return _text(entry.get("response")) if kind == "deferred" else None


def _time(value: Any, received_at: datetime) -> datetime:
    try:
        moment = datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return received_at
    return moment if moment <= received_at + TOO_LATE else received_at


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError):
        return None


def _attempt(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _text(value: Any) -> str | None:
    """A value as PostgreSQL can hold it; None where there is none."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else str(value)
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST] or None
