"""The suppression lists of /v3/suppression and /v3/asm/suppressions/global, as tsg_suppressions_v3.json has
them."""

import re
from collections.abc import Callable
from typing import Any

import orjson

from rapport.delivery.fake_sendgrid.http_server import Answer, Request, json_answer
from rapport.delivery.fake_sendgrid.mistakes import Mistake, refusal

LISTS = ("bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes")
MAX_PAGE = 500
_DEFAULTS: dict[str, dict[str, str]] = {
    "bounces": {"reason": "550 5.1.1 The mailbox does not exist", "status": "5.1.1"},
    "blocks": {"reason": "421 4.7.0 Try again later", "status": "4.0.0"},
    "spam_reports": {"ip": "192.0.2.1"},
    "invalid_emails": {"reason": "Mail domain mentioned in email address is unknown"},
    "unsubscribes": {},
}
_LIST = re.compile(r"/v3/suppression/([a-z_]+)(?:/(.+))?")
_GLOBAL = re.compile(r"/v3/asm/suppressions/global(?:/(.+))?")

Entry = dict[str, Any]


class Suppressions:
    """Who is on which list. Every change is handed to `note`, and `recall` takes it back."""

    def __init__(self, note: Callable[[dict[str, Any]], None]) -> None:
        self._note = note
        self._lists: dict[str, dict[str, Entry]] = {name: {} for name in LISTS}

    def add(self, name: str, email: str, created: int, **detail: str) -> None:
        """Put an address on a list, `created` in seconds since 1970; one that is there stays as it is.

        Raises:
            KeyError: there is no such list.
        """
        if email.lower() in self._lists[name]:
            return
        entry = {"created": created, "email": email, **_DEFAULTS[name], **detail}
        self._lists[name][email.lower()] = entry
        self._note({"list": name, "entry": entry})

    def remove(self, name: str, email: str) -> bool:
        """Take an address off a list; whether it was on it."""
        if self._lists[name].pop(email.lower(), None) is None:
            return False
        self._note({"list": name, "removed": email})
        return True

    def recall(self, noted: dict[str, Any]) -> None:
        """Repeat a change that `note` was told of."""
        entries = self._lists[noted["list"]]
        if "removed" in noted:
            entries.pop(noted["removed"].lower(), None)
        else:
            entries[noted["entry"]["email"].lower()] = noted["entry"]

    def clear(self) -> None:
        """Nobody is on any list; not noted."""
        for entries in self._lists.values():
            entries.clear()

    def drop_reason(self, email: str) -> str | None:
        """Why SendGrid would not deliver to an address, in the words of its `dropped` events."""
        for name, reason in _DROP_REASONS.items():
            if email.lower() in self._lists[name]:
                return reason
        return None

    def answer(self, request: Request, now: float) -> Answer | None:
        """What the API answers; None where the path is none of the lists'."""
        found = _LIST.fullmatch(request.path)
        if found is not None and found[1] in LISTS:
            return self._of_list(request, found[1], found[2])
        found = _GLOBAL.fullmatch(request.path)
        return self._of_everybody(request, found[1], now) if found is not None else None

    def _of_list(self, request: Request, name: str, email: str | None) -> Answer:
        match request.method, email:
            case "GET", None:
                return self._page(request, name)
            case "GET", str():
                entry = self._lists[name].get(email.lower())
                return json_answer(200, [entry] if entry is not None else [])
            case "DELETE", str() if name != "unsubscribes":
                return Answer(204) if self.remove(name, email) else _not_found()
            case "DELETE", None if name != "unsubscribes":
                return self._remove_many(request, name)
            case _:
                return refusal(405, [Mistake("method not allowed")])

    def _page(self, request: Request, name: str) -> Answer:
        numbers = {"limit": MAX_PAGE, "offset": 0, "start_time": 0, "end_time": 2**63}
        for key in numbers:
            text = request.query.get(key, str(numbers[key]))
            if not text.isdecimal():
                return refusal(400, [Mistake(f"{key} must be a number", key)])
            numbers[key] = int(text)
        if not 1 <= numbers["limit"] <= MAX_PAGE:
            return refusal(400, [Mistake(f"limit must be between 1 and {MAX_PAGE}", "limit")])
        # As the document says: the beginning of an address, % for anything.
        pattern = ".*".join(map(re.escape, request.query.get("email", "").lower().split("%")))
        found = [
            entry
            for email, entry in sorted(self._lists[name].items(), key=lambda item: item[1]["created"])
            if numbers["start_time"] <= entry["created"] <= numbers["end_time"] and re.match(pattern, email)
        ]
        return json_answer(200, found[numbers["offset"] :][: numbers["limit"]])

    def _remove_many(self, request: Request, name: str) -> Answer:
        asked = orjson.loads(request.body or b"{}")
        for email in list(self._lists[name]) if asked.get("delete_all") else asked.get("emails", []):
            self.remove(name, email)
        return Answer(204)

    def _of_everybody(self, request: Request, email: str | None, now: float) -> Answer:
        match request.method, email:
            case "POST", None:
                emails = orjson.loads(request.body).get("recipient_emails", [])
                for each in emails:
                    self.add("unsubscribes", each, int(now))
                return json_answer(201, {"recipient_emails": emails})
            case "GET", str():
                entry = self._lists["unsubscribes"].get(email.lower())
                return json_answer(200, {"recipient_email": entry["email"]} if entry is not None else {})
            case "DELETE", str():
                return Answer(204) if self.remove("unsubscribes", email) else _not_found()
            case _:
                return refusal(405, [Mistake("method not allowed")])


_DROP_REASONS = {
    "bounces": "Bounced Address",
    "spam_reports": "Spam Reporting Address",
    "invalid_emails": "Invalid",
    "unsubscribes": "Unsubscribed Address",
}


def _not_found() -> Answer:
    return refusal(404, [Mistake("not found")])
