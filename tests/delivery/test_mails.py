"""The bytes of a mail, and the local mailbox that holds them."""

import email
import email.policy
import mailbox
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from rapport.delivery.configuration import Sender
from rapport.delivery.faults import RenderError
from rapport.delivery.mime import Mail, mime_bytes
from rapport.delivery.personal_data import unsubscribe_url
from rapport.delivery.rendering import Rendered
from rapport.delivery.transports import Answer
from rapport.delivery.transports.local import LocalMailbox
from rapport.errors import DiskFull

SENDER = Sender(
    name="Söhne & Co, Ltd.",
    address="hello@shop.example",
    reply_to="care@shop.example",
    postal_address="1 High Street",
    website="https://shop.example",
    unsubscribe_url="https://shop.example/u/",
    unsubscribe_address="stop@shop.example",
)
MAIL = Mail(
    message_id=UUID("12345678-1234-5678-1234-567812345678"),
    recipient="anna@mail.example",
    sender=SENDER,
    rendered=Rendered(
        subject="Grüße 🎉" + " long" * 40, html="<p>Grüße</p>", text="Grüße \u2028 x=y\r\n\n.\n"
    ),
    unsubscribe_url=unsubscribe_url(SENDER, b"secret", "1234abcd_" + "f" * 64, "news"),
    due_at=datetime(2026, 6, 29, 9, tzinfo=UTC),
)


def test_readers_find_text_first_and_every_header() -> None:
    message = email.message_from_bytes(mime_bytes(MAIL), policy=email.policy.default)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content() for part in message.iter_parts()] == [
        "Grüße \u2028 x=y\n\n.\n",
        "<p>Grüße</p>",
    ]
    assert message.defects == []
    assert message["From"].addresses[0].display_name == "Söhne & Co, Ltd."
    assert message["To"] == "anna@mail.example"
    assert message["Reply-To"] == "care@shop.example"
    assert message["Subject"] == MAIL.rendered.subject
    assert message["Date"].datetime == MAIL.due_at
    assert message["Message-ID"] == "<12345678-1234-5678-1234-567812345678@shop.example>"


def test_the_unsubscribe_headers_stand_on_one_raw_line_each() -> None:
    lines = mime_bytes(MAIL).split(b"\n")
    (line,) = [line for line in lines if line.startswith(b"List-Unsubscribe:")]
    address = MAIL.unsubscribe_url
    assert len(address) > 78
    assert line.decode() == f"List-Unsubscribe: <{address}>, <mailto:stop@shop.example?subject=unsubscribe>"
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines


def test_the_same_mail_is_the_same_bytes() -> None:
    assert mime_bytes(MAIL) == mime_bytes(replace(MAIL))
    assert mime_bytes(MAIL) != mime_bytes(replace(MAIL, message_id=UUID(int=1)))


@pytest.mark.parametrize(
    "recipient", ["a@b.example\r\nBcc: c@d.example", "no address", "a@b.example, c@d.example", ""]
)
def test_an_address_that_is_none_stops_that_mail_and_is_not_repeated(recipient: str) -> None:
    with pytest.raises(RenderError) as raised:
        mime_bytes(replace(MAIL, recipient=recipient))
    assert "example" not in str(raised.value)


def test_a_subject_cannot_add_a_header() -> None:
    with pytest.raises(RenderError):
        mime_bytes(replace(MAIL, rendered=replace(MAIL.rendered, subject="a\nBcc: c@d.example")))


def test_an_unsubscribe_link_holds_no_address_and_depends_on_recipient_topic_and_secret() -> None:
    key = "1234abcd_" + "f" * 64
    links = {
        unsubscribe_url(SENDER, b"secret", key, "news"),
        unsubscribe_url(SENDER, b"secret", key, "offers"),
        unsubscribe_url(SENDER, b"other", key, "news"),
        unsubscribe_url(SENDER, b"secret", "1234abcd_" + "e" * 64, "news"),
    }
    assert len({link.rpartition(".")[2] for link in links}) == 4
    assert all(link.startswith("https://shop.example/u/") and "//" not in link[8:] for link in links)
    assert unsubscribe_url(SENDER, b"secret", key, "news") == MAIL.unsubscribe_url


def test_the_mailbox_is_a_maildir_that_programs_read(tmp_path: Path) -> None:
    box = LocalMailbox(tmp_path / "mailbox")
    assert box.hand_over(box.request([MAIL], 1)) == Answer("accepted")
    assert os.listdir(tmp_path / "mailbox" / "new") == [str(MAIL.message_id)]
    (message,) = mailbox.Maildir(tmp_path / "mailbox", create=False)
    assert message["To"] == "anna@mail.example"


def test_a_mail_is_held_once_also_after_it_was_read(tmp_path: Path) -> None:
    folder = tmp_path / "mailbox"
    first = LocalMailbox(folder)
    first.hand_over(first.request([MAIL], 1))
    (folder / "new" / str(MAIL.message_id)).rename(folder / "cur" / f"{MAIL.message_id}:2,S")
    box = LocalMailbox(folder)
    assert box.holds(MAIL.message_id)
    box.hand_over(box.request([MAIL], 2))
    assert os.listdir(folder / "new") == []


def test_a_mail_that_cannot_be_written_stops_no_other(tmp_path: Path) -> None:
    broken = replace(MAIL, message_id=UUID(int=2), recipient="no address")
    box = LocalMailbox(tmp_path)
    assert box.hand_over(box.request([broken, MAIL], 1)) == Answer("accepted", faulty=[0])
    assert box.holds(MAIL.message_id)
    assert not box.holds(broken.message_id)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    box = LocalMailbox(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="the local mailbox"):
        box.hand_over(box.request([MAIL], 2))
    assert os.listdir(tmp_path / "new") == []
