"""A mail as MIME bytes, the same bytes each time."""

from binascii import b2a_qp
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from uuid import UUID

from rapport.delivery.configuration import Sender
from rapport.delivery.faults import RenderError
from rapport.delivery.rendering import Rendered
from rapport.delivery.shapes import ShapedMail


@dataclass(frozen=True)
class Mail:
    """One person's mail as transports take it. `recipient` is an e-mail address.

    `tracks_opens`: this recipient consents to being seen opening it. `unsubscribe_url` is None in a mail to
    somebody of the house, as the digest is.
    """

    message_id: UUID
    recipient: str
    sender: Sender
    rendered: Rendered | ShapedMail
    unsubscribe_url: str | None
    due_at: datetime
    tracks_opens: bool = False


def list_unsubscribe(mail: Mail) -> dict[str, str]:
    """The two headers of RFC 8058, for every transport; none where there is nothing to unsubscribe from."""
    if mail.unsubscribe_url is None:
        return {}
    return {
        "List-Unsubscribe": (
            f"<{mail.unsubscribe_url}>, <mailto:{mail.sender.unsubscribe_address}?subject=unsubscribe>"
        ),
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


class _MailPolicy(EmailPolicy):
    """Folds headers as usual but List-Unsubscribe: Python would encode it once its address is long, and mail
    providers then no longer understand it."""

    def fold(self, name: str, value: str) -> str:
        return f"{name}: {value}{self.linesep}" if name == "List-Unsubscribe" else super().fold(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        if name == "List-Unsubscribe":
            return self.fold(name, value).encode("ascii")
        return super().fold_binary(name, value)


_POLICY = _MailPolicy()


def mime_bytes(mail: Mail) -> bytes:
    """The mail: multipart/alternative, text before HTML, lines ended by a line feed.

    Raises:
        RenderError: the address or a header cannot be written; the message does not repeat it.
    """
    sender = mail.sender
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = Address(sender.name, addr_spec=sender.address)
        message["To"] = Address(addr_spec=mail.recipient)
        message["Reply-To"] = Address(addr_spec=sender.reply_to)
        message["Subject"] = mail.rendered.subject
        message["Date"] = format_datetime(mail.due_at)
        message["Message-ID"] = f"<{mail.message_id}@{sender.address.rpartition('@')[2]}>"
        for name, value in list_unsubscribe(mail).items():
            message[name] = value
        headers = message.as_bytes().rstrip(b"\n")
    except (ValueError, IndexError, HeaderParseError, UnicodeError):
        raise RenderError("the address or a header of the mail cannot be written") from None
    boundary = f"={mail.message_id.hex}"
    kind = f'\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="{boundary}"\n\n'
    return b"".join(
        [
            headers,
            kind.encode(),
            _part(boundary, "plain", mail.rendered.text),
            _part(boundary, "html", mail.rendered.html),
            f"--{boundary}--\n".encode(),
        ]
    )


def _part(boundary: str, kind: str, text: str) -> bytes:
    # By hand: EmailMessage takes several times as long, to parse the headers that it is given here.
    head = (
        f"--{boundary}\n"
        f'Content-Type: text/{kind}; charset="utf-8"\n'
        "Content-Transfer-Encoding: quoted-printable\n\n"
    )
    content = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    return head.encode() + b2a_qp(content, istext=True) + b"\n"
