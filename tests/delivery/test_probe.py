"""Three real mails in one request: what arrived of them proves batching, or what is wrong with it."""

import email
import email.policy
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from typer.testing import CliRunner

from delivery.arrived_mails import source
from delivery.live_shop import LiveShop
from delivery.shaped_mails import SENDER
from rapport import warehouse
from rapport.delivery.commands import delivery_app
from rapport.delivery.configuration import read_delivery, read_sender
from rapport.delivery.fake_sendgrid import Fault
from rapport.delivery.fake_sendgrid.received import received_mails
from rapport.delivery.probe import Probe, expected, probe_mails, send_probe
from rapport.delivery.probe_check import Checked, check_probe, faults_of, is_aligned
from rapport.delivery.proof import account_of, shape_is_proven
from rapport.delivery.transports.sendgrid_request import body
from rapport.errors import ConfigurationError, InputError, PermanentError

NOW = datetime(2026, 7, 1, tzinfo=UTC)
THREE = ["anna@mail.example", "bert@other.example", "cleo@third.example"]


def probe(live: LiveShop, *to: str) -> Probe:
    live.configure()
    settings = replace(live.shop.settings, sendgrid_api_key=live.fake.key)
    with warehouse.connect(live.shop.url, autocommit=True) as connection:
        return send_probe(
            connection, settings, read_delivery(settings), read_sender(settings), to or THREE, NOW
        )


def arrived(live: LiveShop, tmp_path: Path, change: Callable[[bytes], bytes] = bytes) -> list[Path]:
    files = []
    for number, mail in enumerate(live.fake.mails()[-3:]):
        files.append(tmp_path / f"{number}.eml")
        files[-1].write_bytes(change(source(mail)))
    return files


def check(live: LiveShop, files: list[Path]) -> Checked:
    with warehouse.connect(live.shop.url, autocommit=True) as connection:
        return check_probe(connection, files, NOW)


def is_proven(live: LiveShop) -> bool:
    with warehouse.connect(live.shop.url) as connection:
        sender = read_sender(live.shop.settings).address
        return shape_is_proven(connection, account_of(live.fake.key), sender, NOW)


def test_a_probe_is_one_request_with_tags_in_every_place(live: LiveShop) -> None:
    sent = probe(live)
    assert sent.addresses == THREE
    assert sent.warning is None
    (asked,) = [asked for asked in live.fake.requests() if asked.path == "/v3/mail/send"]
    assert asked.body is not None
    tags = list(asked.body["personalizations"][0]["substitutions"])
    text, html = (content["value"] for content in asked.body["content"])
    for place in (
        "<h1>Dear TAG",
        'title="TAG"',
        "<td>TAG</td>",
        "/rapport-probe/TAG?q=TAG",
        'href="https://\\S+/TAG"',
    ):
        assert re.search(place.replace("?", "\\?").replace("TAG", f"({'|'.join(tags)})"), html), place
    assert any(tag in text for tag in tags)
    for mail in live.fake.mails():
        assert not mail.is_ambiguous
        assert mail.headers["List-Unsubscribe"].startswith("<https://")
        assert not any(tag in f"{mail.subject}{mail.html}{mail.text}" for tag in tags)
    ((rows,),) = live.shop.execute("select count(*) from activation.probes where proven_at is null")
    assert rows == 1
    assert not is_proven(live)


def test_what_arrived_whole_proves_batching_for_ninety_days(live: LiveShop, tmp_path: Path) -> None:
    probe(live)
    checked = check(live, arrived(live, tmp_path))
    assert checked.faults == []
    assert checked.valid_until is not None
    assert (checked.valid_until - NOW).days == 90
    assert is_proven(live)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (rb"<h1>Dear ", b"<h1>Deer ", "the HTML differs"),
        (rb"A path: ", b"A way: ", "the text differs"),
        (rb"\r\nList-Unsubscribe-Post: [^\r]*", b"", "List-Unsubscribe-Post is there 0 times"),
        (rb"(\r\nList-Unsubscribe: [^\r]*)", rb"\1\1", "List-Unsubscribe is there 2 times"),
        (rb"List-Unsubscribe: <https", b"List-Unsubscribe: <http", "the header List-Unsubscribe differs"),
        (rb":list-unsubscribe:\r\n", b":\r\n", "does not cover list-unsubscribe"),
        (rb"\tlist-unsubscribe-post:", b"\t", "does not cover list-unsubscribe-post"),
        (rb"d=shop.example", b"d=sendgrid.net", "signed by sendgrid.net"),
        (rb"DKIM-Signature: [^;]*;", b"X-Signature: ", "signed by nobody"),
        (rb"\r\nReply-To: [^\r]*", b"\r\nReply-To: x@y.example", "Reply-To differs"),
        (rb"\r\nTo: ", b"\r\nTo: a@b.example, ", "more than one recipient"),
        (rb"href=3D\"https://u1", b"href=3D\"javascript:u1", "arrived as something else"),
        (rb"Content-Type: text/plain", b"Content-Type: text/enriched", "its parts are"),
    ],
)  # fmt: skip
def test_what_did_not_arrive_as_sent_is_named(old: bytes, new: bytes, fault: str) -> None:
    found = faults(lambda content: re.sub(old, new, content, count=1))
    assert any(fault in one for one in found), found


def faults(change: Callable[[bytes], bytes], html: Callable[[str], str] = str) -> list[str]:
    """What is found wrong with the first mail of a probe whose source was changed so."""
    links = [f"https://shop.example/u/token{number}" for number in range(3)]
    mails = probe_mails(uuid4(), SENDER, THREE, links, NOW)
    request = body(mails, 0)
    (first, *_) = received_mails(orjson.loads(request), "id", 0)
    content = change(source(replace(first, html=html(first.html or ""))))
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return list(faults_of(message, expected(mails, request), 0, SENDER.address))


def test_what_was_not_changed_has_no_fault() -> None:
    assert faults(bytes) == []


def test_a_tag_that_was_left_is_found() -> None:
    links = ["https://shop.example/u/token"] * 3
    mails = probe_mails(uuid4(), SENDER, THREE, links, NOW)
    sent = orjson.loads(body(mails, 0))
    wanted = expected(mails, orjson.dumps(sent))
    sent["personalizations"][0]["substitutions"].popitem()
    (first, *_) = received_mails(sent, "id", 0)
    message = email.message_from_bytes(source(first), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert "1 tags were left in it" in list(faults_of(message, wanted, 0, SENDER.address))


def test_a_rewritten_unsubscribe_link_is_found() -> None:
    found = faults(bytes, lambda html: html.replace(' clicktracking="off"', ""))
    assert found == ["the unsubscribe link was rewritten"]


def test_a_missing_mail_proves_nothing_and_a_later_check_may(live: LiveShop, tmp_path: Path) -> None:
    probe(live)
    files = arrived(live, tmp_path)
    assert check(live, files[:2]).faults == ["mail 3: it is missing"]
    assert not is_proven(live)
    assert check(live, files).faults == []
    assert is_proven(live)


def test_mails_of_something_else_are_refused(live: LiveShop, tmp_path: Path) -> None:
    probe(live)
    files = arrived(live, tmp_path)
    other = tmp_path / "other.eml"
    other.write_bytes(b"Subject: Hello\r\n\r\nx")
    with pytest.raises(InputError, match="not that of a probe"):
        check(live, [other])
    other.write_bytes(b"Subject: Rapport probe 00000000 1 of 3\r\n\r\nx")
    with pytest.raises(InputError, match="sent no probe"):
        check(live, [other])
    with pytest.raises(InputError, match="several probes"):
        check(live, [*files, other])
    with pytest.raises(InputError, match="cannot be read"):
        check(live, [tmp_path / "none.eml"])


def test_one_address_gets_aliases_and_a_warning(live: LiveShop) -> None:
    sent = probe(live, "anna@mail.example")
    assert sent.addresses == ["anna@mail.example", "anna+probe1@mail.example", "anna+probe2@mail.example"]
    assert sent.warning is not None


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        (["anna@gmail.com"], "Gmail shows one"),
        (["a.b@mail.example", "ab+x@mail.example"], "a mailbox of its own"),
        (["a@b.example", "b@b.example", "c@b.example", "d@b.example"], "one to three addresses"),
        (["anna"], "no e-mail address"),
        (["a@b.example, c@d.example"], "no e-mail address"),
    ],
)
def test_addresses_that_prove_nothing_are_refused(live: LiveShop, to: list[str], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        probe(live, *to)
    assert live.fake.requests() == []


def test_the_guard_of_the_first_sends_holds_for_a_probe(live: LiveShop) -> None:
    live.configure(more="allow_recipients: [own.example]")
    settings = replace(live.shop.settings, sendgrid_api_key=live.fake.key)
    with (
        warehouse.connect(live.shop.url, autocommit=True) as connection,
        pytest.raises(ConfigurationError, match="allow_recipients does not have"),
    ):
        send_probe(connection, settings, read_delivery(settings), read_sender(settings), THREE, NOW)


def test_a_refused_probe_says_what_sendgrid_said(live: LiveShop) -> None:
    live.fake.set_faults(Fault("status", status=401))
    with pytest.raises(PermanentError, match="did not take the probe: 401"):
        probe(live)


def test_alignment_is_within_one_domain() -> None:
    assert is_aligned("shop.example", "mail.Shop.example")
    assert is_aligned("em1.shop.example", "shop.example")
    assert not is_aligned("myshop.example", "shop.example")
    assert not is_aligned("example", "shop.example")
    assert not is_aligned("", "shop.example")


def test_the_commands_send_and_check(live: LiveShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live.configure()
    settings = live.shop.settings
    for name, value in {
        "RAPPORT_HOME": settings.home, "RAPPORT_CONFIG": settings.config,
        "RAPPORT_WAREHOUSE_URL": live.shop.url, "SENDGRID_API_KEY": live.fake.key,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    sent = CliRunner().invoke(delivery_app, ["probe", *(f"--to={address}" for address in THREE)])
    assert sent.exit_code == 0, sent.output
    assert "probe check" in sent.output
    files = [str(file) for file in arrived(live, tmp_path)]
    checked = CliRunner().invoke(delivery_app, ["probe", "check", *files])
    assert (checked.exit_code, "Batching is proven until" in checked.output) == (0, True)
    failed = CliRunner().invoke(delivery_app, ["probe", "check", *files[:1]])
    assert (failed.exit_code, "mail 2: it is missing" in failed.output) == (1, True)
