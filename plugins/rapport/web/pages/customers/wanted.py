"""What somebody typed into the search: address, phone, number, customer id or the beginning of a name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import phonenumbers

from rapport.identity.addresses import normal_form
from rapport.identity.configuration import Folding
from rapport.sources.phones import to_e164

LONGEST = 200
_CUSTOMER_ID = re.compile(r"c_[0-9a-f]{20}")
_PHONE = re.compile(r"\+?[0-9][0-9 ()/.\-]{6,}")


@dataclass(frozen=True)
class Wanted:
    """What a text may mean; most texts mean one thing, some two or three.

    Args:
        emails: an address as it was typed, in lower case, and the one that stands for all its spellings.
        phones: E.164; a number without its country is one of each country where it is possible.
        number: a customer number or a contact's id.
        name: one blank between words, no comma; compared without regard to case.
    """

    text: str
    customer_id: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    number: str | None = None
    name: str | None = None


def read(text: str, folding: Mapping[str, Folding]) -> Wanted:
    """Find out what was typed; anything is a number, because sources number people as they like."""
    text = " ".join(text.replace("\0", " ").split())[:LONGEST]
    if not text:
        return Wanted(text)
    if "@" in text:
        typed = text.lower()
        return Wanted(text, emails=tuple(dict.fromkeys((typed, normal_form(typed, folding)))), number=text)
    if _CUSTOMER_ID.fullmatch(text.lower()):
        return Wanted(text, customer_id=text.lower(), number=text)
    name = " ".join(text.replace(",", " ").split())
    is_number = not set(text) - set("0123456789 +()/.-")
    return Wanted(
        text,
        phones=_phones(text),
        number=text,
        name=None if is_number else name,
    )


def _phones(text: str) -> tuple[str, ...]:
    if not _PHONE.fullmatch(text):
        return ()
    text = re.sub(r"^00", "+", text)
    regions = [None] if text.startswith("+") else sorted(phonenumbers.SUPPORTED_REGIONS)
    possible = (to_e164(text, region) for region in regions)
    return tuple(dict.fromkeys(number for number in possible if number is not None))
