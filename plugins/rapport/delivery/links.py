"""The addresses in a mail's HTML: which are safe, and what compiling makes of them."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace

from jinja2 import nodes

from rapport.delivery.addresses import with_fields
from rapport.delivery.hiding import Hidden
from rapport.delivery.sandbox import MailEnvironment

URL_ATTRIBUTES = ("href", "src", "background", "action")

_PARSER = MailEnvironment(is_html=True)
_TAG = re.compile(r"<([a-zA-Z][a-zA-Z0-9:]*)((?:\s+[^\s=>/]+(?:\s*=\s*\"[^\"]*\")?)*)(\s*/?>)")
_ATTRIBUTE = re.compile(rf"(\s(?:{'|'.join(URL_ATTRIBUTES)})\s*=\s*\")([^\"]*)\"", re.IGNORECASE)


def mistakes_in_address(hidden: Hidden, attribute: str, address: str) -> Iterator[str]:
    """What is wrong with an address of the document, whose Jinja is hidden."""
    numbers = hidden.words(address)
    if numbers and address.startswith(hidden.word_of(numbers[0])):
        yield from _wrong_start(hidden.expressions[numbers[0]], address[len(hidden.word_of(numbers[0])) :])
    elif numbers and re.match(rf"https?://[^/?#]*{hidden.word}", address):
        yield f"the host of an address is no place for {hidden.expressions[numbers[0]]}"
    elif attribute == "href" and not re.match(r"(https://|mailto:|tel:|#)", address):
        yield f"the address {address} is none for a mail; it starts with https://, mailto: or tel:"
    elif attribute != "href" and not address.startswith("https://"):
        yield f"the address {address} is none for a picture; it starts with https://"


def with_safe_addresses(hidden: Hidden, document: str, fields: str | None) -> tuple[Hidden, str]:
    """The document as mails send it: data in addresses is percent-encoded, clicks on unsubscribe links are
    not counted, and web links have `fields` in their query.

    Args:
        document: HTML as a serialiser writes it (quoted attributes), without mistakes in its addresses.

    Returns:
        The Jinja to put back, and the document to put it into.
    """
    expressions = list(hidden.expressions)

    def tag(found: re.Match[str]) -> str:
        name, attributes, end = found.groups()
        unsubscribes = False

        def attribute(found: re.Match[str]) -> str:
            nonlocal unsubscribes
            address = html.unescape(found[2]).strip()
            kind = _start(hidden, address)
            unsubscribes = unsubscribes or kind == "unsubscribe"
            _encode(hidden, address, expressions)
            if fields and name.lower() in ("a", "area"):
                number = hidden.words(address)[0] if kind == "whole" else None
                if number is not None:
                    expressions[number] = _piped(expressions[number], f"_with_fields({fields!r})")
                elif kind == "sender" or address.startswith(("https://", "http://")):
                    address = with_fields(address, fields)
            return f'{found[1]}{html.escape(address)}"'

        attributes = _ATTRIBUTE.sub(attribute, attributes)
        if unsubscribes and name.lower() == "a":
            attributes += ' clicktracking="off"'
        return f"<{name}{attributes}{end}"

    document = _TAG.sub(tag, document)
    return replace(hidden, expressions=expressions), document


def _wrong_start(expression: str, rest: str) -> Iterator[str]:
    kind = _kind(expression)
    if kind is None:
        yield f"the address {expression} needs the filter url: {_piped(expression, 'url', bare=True)}"
    elif kind == "sender" and rest and rest[0] not in "/?#":
        yield f"after {expression} an address goes on with /"
    elif kind != "sender" and rest:
        yield f"{expression} is a whole address; nothing can follow it"


def _start(hidden: Hidden, address: str) -> str | None:
    numbers = hidden.words(address)
    if numbers and address.startswith(hidden.word_of(numbers[0])):
        return _kind(hidden.expressions[numbers[0]])
    return None


def _kind(expression: str) -> str | None:
    """What an address that begins with the expression is: unsubscribe, sender (its site) or whole."""
    match _parsed(expression):
        case nodes.Name(name="unsubscribe_url"):
            return "unsubscribe"
        case nodes.Getattr(node=nodes.Name(name="sender"), attr="website"):
            return "sender"
        case nodes.Filter(name="url"):
            return "whole"
    return None


def _encode(hidden: Hidden, address: str, expressions: list[str]) -> None:
    """Percent-encode what stands in the address after its start, where its author has not."""
    for number in hidden.words(address):
        before = address.partition(hidden.word_of(number))[0]
        parsed = _parsed(hidden.expressions[number])
        if not before or (isinstance(parsed, nodes.Filter) and parsed.name == "urlencode"):
            continue
        name = "_in_query" if "?" in before or "#" in before else "_in_path"
        expressions[number] = _piped(hidden.expressions[number], name)


def _parsed(expression: str) -> nodes.Node | None:
    (output,) = _PARSER.parse(expression).body
    assert isinstance(output, nodes.Output)
    return output.nodes[0] if len(output.nodes) == 1 else None


def _piped(expression: str, filter_name: str, *, bare: bool = False) -> str:
    found = re.fullmatch(r"(\{\{[-+]?)(.*?)([-+]?\}\})", expression, re.DOTALL)
    assert found is not None
    inner = found[2].strip()
    return f"{found[1]} {inner if bare else f'({inner})'} | {filter_name} {found[3]}"
