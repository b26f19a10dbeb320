"""Mails as bodies of SendGrid's POST /v3/mail/send.

Mails that share a shell travel in one request: the shell is its content, with a tag in place of each slot,
and each recipient's `substitutions` say what stands for the tags. What SendGrid's own documents disagree on
is avoided: at most 9,000 bytes and 90 tags a person, and no tag within a value.
"""

import secrets
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import eq, itemgetter
from typing import Any

import orjson

from rapport.delivery.mime import Mail, list_unsubscribe
from rapport.delivery.shapes import ShapedMail, Shell, filled

MOST_RECIPIENTS = 1_000
FEWEST_RECIPIENTS = 20
MOST_TAGS = 90
LARGEST_SUBSTITUTIONS = 9_000  # bytes of UTF-8, tags and values of one recipient
LARGEST_BODY = 10_000_000  # bytes; SendGrid takes 30 MB

A_FEW = 20  # people by whose values slots are told apart first

_TAG_LENGTH = 12
_ENVELOPE = 800  # bytes of a recipient beside substitutions, subject and link, at most


def parcels(mails: Sequence[Mail], *, most: int = MOST_RECIPIENTS) -> list[list[Mail]]:
    """The mails as they travel together; every mail is in one parcel.

    A parcel of more than one mail holds recipients of one shell, one sender and one tracking consent, 20 to
    `most` of them, and no two addresses of what may be one mailbox: some providers show only one of several
    copies of a message to aliases of a mailbox.
    """
    alone: list[list[Mail]] = []
    alike: dict[Any, list[Mail]] = defaultdict(list)
    for mail in mails:
        if isinstance(mail.rendered, ShapedMail):
            alike[mail.rendered.shell, id(mail.sender), mail.tracks_opens].append(mail)
        else:
            alone.append([mail])
    together: list[list[Mail]] = []
    for group in alike.values():
        for parcel in _packed(group, most):
            if len(parcel) >= FEWEST_RECIPIENTS:
                together.append(parcel)
            else:
                alone.extend([mail] for mail in parcel)
    return together + alone


def body(parcel: Sequence[Mail], attempt_id: int, *, draw: Callable[[], str] | None = None) -> bytes:
    """The JSON of one request for a parcel, or for a part of one.

    Args:
        draw: draws the middle of the tags: eight letters and digits, none of them Q or Z.
    """
    if len(parcel) == 1:
        return single_body(parcel[0], attempt_id)
    return _batch_body(parcel, attempt_id, draw or _draw_nonce)


def single_body(mail: Mail, attempt_id: int) -> bytes:
    """The JSON of a request for one recipient, whose mail is rendered whole."""
    return orjson.dumps(
        _message(mail, mail.rendered.text, mail.rendered.html, [_personalization(mail, str(attempt_id))])
    )


def canonical_mailbox(address: str) -> str:
    """The same for all addresses that may be one mailbox: aliases by plus, by dots, by case.

    For other providers than Gmail that goes too far, which costs a second request and nothing else.
    """
    local, _, domain = address.lower().rpartition("@")
    domain = "gmail.com" if domain == "googlemail.com" else domain
    return f"{local.partition('+')[0].replace('.', '')}@{domain}"


def _packed(group: list[Mail], most: int) -> Iterator[list[Mail]]:
    """The mails of one shell in parcels of at most `most`; those over the budget are alone in theirs."""
    if len(group) < FEWEST_RECIPIENTS:
        yield from ([mail] for mail in group)
        return
    shaped = _shaped(group)
    tags = len(shaped[0].values)
    sizes = [_bytes_of(rendered.values) for rendered in shaped]
    if tags > MOST_TAGS or max(sizes) > LARGEST_SUBSTITUTIONS:
        # As if each slot had a tag of its own it is too much; some share one.
        firsts, _ = _different_slots(shaped)
        tags = len(firsts)
        sizes = [_bytes_of([rendered.values[first] for first in firsts]) for rendered in shaped]
    shell_bytes = 2 * shaped[0].shell.bytes  # as JSON
    parcels: list[_Parcel] = []
    for mail, size in zip(group, sizes, strict=True):
        if tags > MOST_TAGS or size > LARGEST_SUBSTITUTIONS:
            yield [mail]
            continue
        size += _ENVELOPE + len(mail.rendered.subject.encode()) + len(mail.unsubscribe_url or "")
        mailbox = canonical_mailbox(mail.recipient)
        for parcel in parcels:
            if mailbox not in parcel.mailboxes and len(parcel.mails) < most and parcel.has_room(size):
                break
        else:
            parcel = _Parcel([], set(), shell_bytes)
            parcels.append(parcel)
        parcel.mails.append(mail)
        parcel.mailboxes.add(mailbox)
        parcel.bytes += size
    yield from (parcel.mails for parcel in parcels)


@dataclass(slots=True)
class _Parcel:
    mails: list[Mail]
    mailboxes: set[str]
    bytes: int

    def has_room(self, size: int) -> bool:
        return self.bytes + size <= LARGEST_BODY


def _batch_body(parcel: Sequence[Mail], attempt_id: int, draw: Callable[[], str]) -> bytes:
    shaped = _shaped(parcel)
    shell = shaped[0].shell
    firsts, numbers = _different_slots(shaped)
    tags = _tags(len(firsts), shell, shaped, draw)
    in_place = [tags[number] for number in numbers]
    attempt = str(attempt_id)
    personalizations = []
    for mail, rendered in zip(parcel, shaped, strict=True):
        personalization = _personalization(mail, attempt)
        values = rendered.values
        personalization["substitutions"] = dict(zip(tags, [values[first] for first in firsts], strict=True))
        personalizations.append(personalization)
    text = filled(shell.text, in_place[shell.html_slots :])
    html = filled(shell.html, in_place[: shell.html_slots])
    return orjson.dumps(_message(parcel[0], text, html, personalizations))


def _shaped(mails: Iterable[Mail]) -> list[ShapedMail]:
    shaped = [mail.rendered for mail in mails if isinstance(mail.rendered, ShapedMail)]
    assert len({id(rendered.shell) for rendered in shaped}) <= 1, "a request has one shell"
    return shaped


def _different_slots(shaped: Sequence[ShapedMail]) -> tuple[list[int], list[int]]:
    """Slots that say the same as another one to each of these people share its tag.

    Returns:
        The first slot of each tag; for each slot the number of its tag.
    """
    rows = [rendered.values for rendered in shaped]
    # Most slots differ for a few people already; whole columns are compared of the others alone.
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    firsts: list[int] = []
    numbers: list[int] = []
    for slot, said in enumerate(zip(*rows[:A_FEW], strict=True)):
        known = alike[said]
        for number in known:
            if all(map(eq, map(itemgetter(firsts[number]), rows), map(itemgetter(slot), rows))):
                break
        else:
            number = len(firsts)
            known.append(number)
            firsts.append(slot)
        numbers.append(number)
    return firsts, numbers


def _bytes_of(values: Sequence[str]) -> int:
    """Of the values and their tags, in UTF-8."""
    texts = "".join(values)
    return len(values) * _TAG_LENGTH + (len(texts) if texts.isascii() else len(texts.encode()))


def _tags(count: int, shell: Shell, shaped: Sequence[ShapedMail], draw: Callable[[], str]) -> list[str]:
    """Tags of one width that stand neither in the shell nor in a value or subject of the request.

    They begin with the only Q and end with the only Z in them, so no tag can begin or end within another.
    """
    while True:
        start = f"Q{draw()}"
        texts = chain((filled(shell.html, repeat("\n")), filled(shell.text, repeat("\n"))), _said(shaped))
        if not any(start in text for text in texts):
            return [f"{start}{number:02}Z" for number in range(count)]


def _said(shaped: Sequence[ShapedMail]) -> Iterator[str]:
    for rendered in shaped:
        yield rendered.subject
        yield "\n".join(rendered.values)


def _draw_nonce() -> str:
    return secrets.token_hex(4).upper()


def _personalization(mail: Mail, attempt: str) -> dict[str, Any]:
    headers = list_unsubscribe(mail)
    return {
        "to": [{"email": mail.recipient}],
        "subject": mail.rendered.subject,
        **({"headers": headers} if headers else {}),
        "custom_args": {"rapport_message": mail.message_id, "rapport_attempt": attempt},
    }


def _message(mail: Mail, text: str, html: str, personalizations: list[dict[str, Any]]) -> dict[str, Any]:
    """What is one for all recipients. Each setting is given, so that no default of the account applies."""
    sender = mail.sender
    return {
        "personalizations": personalizations,
        "from": {"email": sender.address, "name": plain_name(sender.name) or sender.address},
        "reply_to": {"email": sender.reply_to},
        "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": html}],
        "tracking_settings": {
            "click_tracking": {"enable": True, "enable_text": False},
            "open_tracking": {"enable": mail.tracks_opens},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        },
        "mail_settings": {"footer": {"enable": False}},
    }


def plain_name(name: str) -> str:
    """The name in ASCII: SendGrid takes no other in `from`. Söhne becomes Sohne."""
    decomposed = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    return decomposed.encode("ascii", "ignore").decode().strip()
