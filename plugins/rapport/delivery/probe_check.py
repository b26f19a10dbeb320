"""What arrived of a probe, against what was sent: `rapport delivery probe check`."""

import email
import email.policy
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from lxml import html as lxml_html  # type: ignore[import-untyped]

from rapport.delivery.probe import MAILS
from rapport.delivery.proof import VALID_FOR
from rapport.errors import InputError

_MARK = re.compile(r"Rapport probe ([0-9a-f]{8}) ([1-3]) of 3")
_ONCE = ("Subject", "From", "To", "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post")


@dataclass(frozen=True)
class Checked:
    """What became of a probe. `faults` is empty where batching is proven, until `valid_until`."""

    probe: str
    faults: list[str]
    valid_until: datetime | None


def check_probe(connection: psycopg.Connection, files: Sequence[Path], now: datetime) -> Checked:
    """Compare the raw sources of a probe's three mails with what was sent, and keep the outcome.

    Raises:
        InputError: a file is no mail of a probe, or they are of several.
    """
    found: dict[int, EmailMessage] = {}
    probes = set()
    for file in files:
        message = _read(file)
        mark = _MARK.search(str(message["Subject"] or ""))
        if mark is None:
            raise InputError(f"{file}: its subject is not that of a probe; save the mail's raw source")
        probes.add(mark[1])
        found[int(mark[2])] = message
    if len(probes) != 1:
        raise InputError("these are mails of several probes; give the three of one")
    (probe,) = probes
    row = connection.execute(
        "select probe_id, sender, mails from activation.probes where left(probe_id::text, 8) = %s", [probe]
    ).fetchone()
    if row is None:
        raise InputError(f"this warehouse has sent no probe {probe}")
    probe_id, sender, sent = row
    faults = [f"mail {number}: it is missing" for number in range(1, MAILS + 1) if number not in found]
    for number, message in sorted(found.items()):
        faults += [f"mail {number}: {fault}" for fault in faults_of(message, sent, number - 1, sender)]
    valid_until = None if faults else now + VALID_FOR
    with connection.transaction():
        connection.execute(
            "update activation.probes set faults = %s, proven_at = %s, valid_until = %s where probe_id = %s",
            [json.dumps(faults), None if faults else now, valid_until, probe_id],
        )
    return Checked(probe, faults, valid_until)


def faults_of(message: EmailMessage, sent: dict[str, Any], place: int, sender: str) -> Iterator[str]:
    """One sentence for each thing that did not arrive as it was sent."""
    mine = sent["mails"][place]
    yield from _header_faults(message, sent, mine)
    yield from _signature_faults(message, sender)
    parts = {part.get_content_type(): part for part in message.walk() if not part.is_multipart()}
    if list(parts) != ["text/plain", "text/html"]:
        yield f"its parts are {', '.join(parts)} instead of text/plain, text/html"
        return
    text, html = (_content(parts[kind]) for kind in ("text/plain", "text/html"))
    everything = "\n".join([text, html, *(str(value) for value in message.values())])
    if left := [tag for tag in sent["tags"] if tag in everything]:
        yield f"{len(left)} tags were left in it"
    if _lines(text) != _lines(mine["text"]):
        yield f"the text differs: {_first_difference(_lines(mine['text']), _lines(text))}"
    yield from _html_faults(html, mine)


def _header_faults(message: EmailMessage, sent: dict[str, Any], mine: dict[str, Any]) -> Iterator[str]:
    for name in _ONCE:
        if (count := len(message.get_all(name, []))) != 1:
            yield f"the header {name} is there {count} times"
    wanted = {
        "Subject": mine["subject"],
        "List-Unsubscribe": mine["headers"]["List-Unsubscribe"],
        "List-Unsubscribe-Post": mine["headers"]["List-Unsubscribe-Post"],
    }
    for name, value in wanted.items():
        if message[name] is not None and " ".join(str(message[name]).split()) != " ".join(value.split()):
            yield f"the header {name} differs"
    raw = dict(message.raw_items()).get("List-Unsubscribe", "")
    if "=?" in str(raw):
        yield "the header List-Unsubscribe is encoded; providers do not understand that"
    if message["Reply-To"] is not None and sent["reply_to"] not in str(message["Reply-To"]):
        yield "the header Reply-To differs"
    if message["To"] is not None and len(message["To"].addresses) != 1:
        yield "it names more than one recipient"


def _signature_faults(message: EmailMessage, sender: str) -> Iterator[str]:
    domain = sender.rpartition("@")[2].lower()
    signatures = [_tags(str(value)) for value in message.get_all("DKIM-Signature", [])]
    aligned = [tags for tags in signatures if is_aligned(tags.get("d", ""), domain)]
    if not aligned:
        signed = ", ".join(tags.get("d", "") for tags in signatures) or "nobody"
        yield f"no DKIM signature is aligned with {domain}; it is signed by {signed}"
        return
    for name in ("list-unsubscribe", "list-unsubscribe-post"):
        if not any(name in tags.get("h", "").lower().replace(" ", "").split(":") for tags in aligned):
            yield f"the DKIM signature of {domain} does not cover {name}"


def is_aligned(signing: str, domain: str) -> bool:
    """Whether a domain that signs speaks for another in DMARC's relaxed sense: one is within the other."""
    signing, domain = signing.lower().rstrip("."), domain.lower().rstrip(".")
    if signing == domain:
        return True
    shorter, longer = sorted((signing, domain), key=len)
    return "." in shorter and longer.endswith(f".{shorter}")


def _html_faults(html: str, mine: dict[str, Any]) -> Iterator[str]:
    got, wanted = (lxml_html.document_fromstring(document) for document in (html, mine["html"]))
    if _words(got) != _words(wanted):
        yield f"the HTML differs: {_first_difference(_words(wanted), _words(got))}"
    addresses = [link.get("href", "") for link in got.iter("a")]
    expected = [link.get("href", "") for link in wanted.iter("a")]
    if len(addresses) != len(expected):
        yield f"it has {len(addresses)} links instead of {len(expected)}"
        return
    for address, original in zip(addresses, expected, strict=True):
        if original == mine["unsubscribe_url"]:
            if address != original:
                yield "the unsubscribe link was rewritten"
        elif address != original and not _is_counted(address):
            yield f"the link to {urlsplit(original).path} arrived as something else"


def _is_counted(address: str) -> bool:
    """Whether the address has the form of SendGrid's counted links; none is requested."""
    parts = urlsplit(address)
    return (
        parts.scheme in ("https", "http")
        and bool(parts.hostname)
        and parts.path.endswith("/click")
        and bool(parse_qs(parts.query).get("upn"))
    )


def _words(document: lxml_html.HtmlElement) -> list[str]:
    """Elements and what they say, in order."""
    words = []
    for element in document.iter():
        if isinstance(element.tag, str) and element.tag not in ("head", "meta", "title", "style"):
            words.append(f"<{element.tag}>")
            words.extend((element.text or "").split())
        words.extend((element.tail or "").split())
    return words


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.replace("\r\n", "\n").rstrip().split("\n")]


def _first_difference(wanted: Sequence[str], got: Sequence[str]) -> str:
    for place, (one, other) in enumerate(zip(wanted, got, strict=False), start=1):
        if one != other:
            return f"at {place}, {one[:60]!r} became {other[:60]!r}"
    return f"{len(wanted)} pieces became {len(got)}"


def _tags(signature: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in re.sub(r"\s+", "", signature).split(";"))
    return {name: value for name, _, value in pairs if name}


def _content(part: EmailMessage) -> str:
    content = part.get_content()
    assert isinstance(content, str)
    return content


def _read(file: Path) -> EmailMessage:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message
