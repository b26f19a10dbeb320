"""The events of an accepted mail, in the form of SendGrid's event webhook."""

import random
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from rapport.delivery.fake_sendgrid.log import Accepted

Event = dict[str, Any]

_BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0"
_READER: Event = {"useragent": _BROWSER, "ip": "203.0.113.7"}
_SERVER: Event = {"ip": "192.0.2.10", "tls": 1}

# What SendGrid adds to an event, by its name here; `blocked` and `machine_open` are its bounce and open.
_FIELDS: dict[str, Event] = {
    "processed": {},
    "deferred": {
        "response": "451 4.7.1 Try again later",
        "attempt": "1",
        "domain": "",
        **_SERVER,
    },
    "delivered": {"response": "250 2.0.0 OK", **_SERVER},
    "bounce": {
        "reason": "550 5.1.1 The mailbox does not exist",
        "status": "5.1.1",
        "type": "bounce",
        "bounce_classification": "Invalid Address",
        **_SERVER,
    },
    "blocked": {
        "reason": "421 4.7.0 Our system has detected unusual mail",
        "status": "4.7.0",
        "type": "blocked",
        "bounce_classification": "Reputation",
        **_SERVER,
    },
    "dropped": {"reason": "Bounced Address", "status": "5.0.0"},
    "open": {**_READER, "sg_content_type": "html", "sg_machine_open": False},
    "machine_open": {
        "useragent": "Mozilla/5.0",
        "ip": "192.0.2.77",
        "sg_content_type": "html",
        "sg_machine_open": True,
    },
    "click": {**_READER, "url": "https://shop.example/", "url_offset": {"index": 0, "type": "html"}},
    "spamreport": {},
    "unsubscribe": {},
    "group_unsubscribe": {**_READER, "asm_group_id": 1, "url": "https://shop.example/"},
    "group_resubscribe": {**_READER, "asm_group_id": 1, "url": "https://shop.example/"},
}
NAMES = tuple(_FIELDS)
_WORDS = {"blocked": "bounce", "machine_open": "open"}

# Which list SendGrid puts an address on for an event.
LIST_OF = {
    "bounce": "bounces",
    "blocked": "blocks",
    "spamreport": "spam_reports",
    "unsubscribe": "unsubscribes",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens to a mail `after` seconds from its acceptance. `name` is one of NAMES; `fields`
    replace what the event would say by itself."""

    name: str
    after: float = 0
    fields: Event = field(default_factory=dict)


def event(accepted: Accepted, happening: Happening, at: float, chance: random.Random) -> Event:
    """The event at a time in seconds since 1970, custom arguments beside its own fields, as SendGrid sends
    it."""
    found: Event = {
        "email": accepted.email,
        "timestamp": int(at),
        "smtp-id": f"<{accepted.request_id}@geopod-ismtpd-fake>",
        "event": _WORDS.get(happening.name, happening.name),
        "sg_event_id": new_event_id(chance),
        "sg_message_id": accepted.sg_message_id,
        **_FIELDS[happening.name],
        **happening.fields,
        **accepted.custom_args,
    }
    if happening.name == "deferred":
        found["domain"] = accepted.email.rpartition("@")[2]
    if accepted.categories:
        found["category"] = accepted.categories
    return found


def new_event_id(chance: random.Random) -> str:
    """Like an sg_event_id: 22 characters of base64."""
    return urlsafe_b64encode(chance.randbytes(16)).rstrip(b"=").decode()
