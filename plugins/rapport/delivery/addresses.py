"""Data within the addresses of links and images, and the fields that say which mail a visit came from."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from rapport.delivery.faults import EMPTY, RenderError

_PATH = re.compile(r"(?:[A-Za-z0-9\-._~/:@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def in_path(value: Any) -> str:
    """The value as part of a path: what has no place in one, `?` and `#` too, is percent-encoded."""
    return _in_path(_given(value))


@lru_cache(maxsize=16_384)  # what a product's address is made of is the same for many people
def _in_path(text: str) -> str:
    if _PATH.fullmatch(text):
        return text
    return quote(_BARE_PERCENT.sub("%25", text), safe="/:@!$&'()*+,;=%")


def in_query(value: Any) -> str:
    """The value as one value of a query, or as a fragment; all but letters, digits and -._~ is encoded."""
    return quote(_given(value), safe="")


def with_fields(address: str, fields: str) -> str:
    """An http(s) address with `fields` (`a=1&b=2`) at the end of its query; query and fragment stay.

    An address that says itself which campaign it belongs to (any utm_ field) stays as it is.
    """
    base, mark, fragment = address.partition("#")
    path, _, query = base.partition("?")
    if any(field.lower().startswith("utm_") for field in query.split("&")):
        return address
    return f"{path}?{query}{'&' if query else ''}{fields}{mark}{fragment}"


def campaign_fields(campaign: str, edition_id: str, content: str | None = None) -> str:
    """The query fields of every link of an edition; names of the campaign only, nothing about a person.

    Args:
        content: which of the campaign's mails, where it has several: the step or the variant.
    """
    fields = {"utm_source": "rapport", "utm_medium": "email", "utm_campaign": campaign, "utm_id": edition_id}
    if content:
        fields["utm_content"] = content
    return urlencode(fields)


def _given(value: Any) -> str:
    if value is None:
        raise RenderError(EMPTY)
    return str(value)


# Compiling a mail writes these behind expressions; authors cannot.
ADDRESS_FILTERS: dict[str, Callable[..., str]] = {
    "_in_path": in_path,
    "_in_query": in_query,
    "_with_fields": with_fields,
}
