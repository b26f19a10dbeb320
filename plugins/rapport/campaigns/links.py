"""Whether the links of a mail can lead anywhere, by their form; none is requested."""

import re
from html import unescape
from urllib.parse import urlsplit

_LINK = re.compile(r"""<a\b[^>]*?\shref=(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


def link_fault(html: str, well_formed: set[str]) -> str | None:
    """What is wrong with the first link that leads nowhere, without what may be personal in it; else None.

    `well_formed` remembers what was looked at before.
    """
    for quoted, single_quoted in _LINK.findall(html):
        link = quoted or single_quoted
        if link in well_formed:
            continue
        fault = _fault(unescape(link).strip())
        if fault is not None:
            return fault
        well_formed.add(link)
    return None


def _fault(link: str) -> str | None:
    if not link:
        return "it is empty"
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return "it is no URL"
    if parts.scheme in ("mailto", "tel"):
        return None if parts.path else f"{parts.scheme}: names nobody"
    if parts.scheme != "https":
        return f"it begins with {parts.scheme or 'no scheme'}, not with https"
    if not host or "." not in host.strip("."):
        return "it names no host"
    if re.search(r"[\s<>\"{}|\\^`]", link):
        return f"the address at {host} holds a character that no URL may hold"
    return None
