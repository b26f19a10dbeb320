"""What a mail's HTML may not hold: looked for in the compiled document, whose Jinja is still hidden."""

import re
from collections.abc import Iterator

from lxml import html as lxml_html  # type: ignore[import-untyped]

from rapport.delivery.hiding import Hidden, moved_statements
from rapport.delivery.links import URL_ATTRIBUTES, mistakes_in_address

LARGEST_DOCUMENT = 100_000  # bytes; Gmail cuts a mail off behind 102 KB, its unsubscribe link too
LONGEST_PREHEADER = 150  # characters beside its expressions; inboxes show about 100

_REFUSED = ("script", "iframe", "object", "embed", "form", "base")
_NO_DATA = ("srcset", "formaction", "ping", "poster", "data", "xlink:href", "content", "style")
_NEEDED = {
    "unsubscribe_url": '{% include "footer.mjml" %} has it',
    "sender.postal_address": '{% include "footer.mjml" %} has it',
    "preheader": "inboxes show it beside the subject",
}


def mistakes_in_document(hidden: Hidden, html: str) -> Iterator[str]:
    """One sentence for each thing in the document that would break a mail or harm its reader."""
    document = lxml_html.document_fromstring(html)
    yield from _moved(hidden, html, document)
    for element in document.iter():
        if isinstance(element.tag, str):
            yield from _unsafe(hidden, element)
        elif hidden.words(element.text or ""):
            yield "an expression may not stand in an HTML comment; a Jinja comment is {# … #}"
    used = " ".join(hidden.expressions)
    for name, hint in _NEEDED.items():
        if name not in used:
            yield f"{{{{ {name} }}}} is nowhere in the template; {hint}"
    if (size := len(html.encode())) > LARGEST_DOCUMENT:
        yield f"the mail has {size // 1000} KB before any data is in it; Gmail cuts it off behind 102 KB"


def mistakes_in_preheader(hidden: Hidden) -> Iterator[str]:
    """Whether a preheader is longer than inboxes show."""
    words = "|".join(map(hidden.word_of, range(len(hidden.expressions)))) or "(?!)"
    if (length := len(re.sub(words, "", hidden.text))) > LONGEST_PREHEADER:
        yield f"preheader: it has {length} characters; inboxes show about 100"


def _moved(hidden: Hidden, html: str, document: lxml_html.HtmlElement) -> Iterator[str]:
    parents: dict[int, lxml_html.HtmlElement | None] = {}
    for comment in document.iter(lxml_html.etree.Comment):
        if found := re.fullmatch(rf"{hidden.word}s(\d+)z", comment.text or ""):
            parents[int(found[1])] = comment.getparent()
    if statement := moved_statements(hidden, html, parents):
        yield (
            f"{statement} cannot stand there; a block goes around whole elements of one parent, "
            "in a table inside <tbody>, and never into a tag"
        )
        return
    before, now = _statements_before(hidden, hidden.text), _statements_before(hidden, html)
    for number, expression in enumerate(hidden.expressions):
        if number not in now:
            yield f"{expression} is in a place that no reader sees"
        elif now[number] != before[number]:
            yield f"{expression} cannot stand there; in a table text goes into <td> or <th>"


def _statements_before(hidden: Hidden, text: str) -> dict[int, set[int]]:
    """Behind how many statements each expression stands, by its number."""
    found: dict[int, set[int]] = {}
    statements = 0
    for statement, expression in re.findall(rf"<!--{hidden.word}s(\d+)z-->|{hidden.word}e(\d+)z", text):
        if statement:
            statements += 1
        else:
            found.setdefault(int(expression), set()).add(statements)
    return found


def _unsafe(hidden: Hidden, element: lxml_html.HtmlElement) -> Iterator[str]:
    if hidden.words(element.tag):
        yield "an expression may not name a tag"
    if element.tag in _REFUSED:
        yield f"<{element.tag}> has no place in a mail"
    if element.tag == "meta" and (element.get("http-equiv") or "").lower() == "refresh":
        yield "a mail cannot lead its reader elsewhere by itself"
    if element.tag == "style" and hidden.words(element.text or ""):
        yield "an expression may not stand in <style>"
    if element.tag == "img":
        for needed in ("alt", "width"):
            if element.get(needed) is None:
                yield f"the picture {element.get('src') or ''} needs {needed}; many readers block pictures"
    yield from _unsafe_attributes(hidden, element)


def _unsafe_attributes(hidden: Hidden, element: lxml_html.HtmlElement) -> Iterator[str]:
    for name, value in element.attrib.items():
        numbers = hidden.words(value)
        if hidden.words(name):
            yield "an expression may not stand in a tag outside a quoted value"
        elif name.startswith("on"):
            yield f"{name} has no place in a mail"
        elif name in _NO_DATA and numbers:
            yield f"{hidden.expressions[numbers[0]]} may not stand in a {name}"
        elif name in URL_ATTRIBUTES:
            yield from mistakes_in_address(hidden, name, value.strip())
