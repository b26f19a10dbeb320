"""Each rule of SendGrid's that the fake knows: a request that keeps it and one that breaks it."""

import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from delivery.fake_requests import OPENAPI, Body, Client, errors, mail
from rapport.delivery.fake_sendgrid import FakeSendGrid

NOW = int(time.time())
BYPASS_ALL = {"bypass_list_management": {"enable": True}}
TEXT = {"type": "text/plain", "value": "Hello"}
HTML = {"type": "text/html", "value": "<p>Hello</p>"}
AMP = {"type": "text/x-amp-html", "value": "<p>Hello</p>"}
FILE = {"content": "SGVsbG8=", "filename": "hello.txt"}


def one(**fields: Any) -> Body:
    """A mail whose one personalization has these fields, too."""
    body = mail()
    body["personalizations"][0].update(fields)
    return body


def without(name: str, body: Body) -> Body:
    return {key: value for key, value in body.items() if key != name}


# What the rule is about: a request that keeps it, one that breaks it, and the field that the answer names.
RULES: dict[str, tuple[Body, Body, str | None]] = {
    "some personalization": (mail(), mail(personalizations=[]), "personalizations"),
    "personalizations given": (mail(), without("personalizations", mail()), "personalizations"),
    "1,000 personalizations": (
        mail(*(f"p{number}@mail.example" for number in range(1000))),
        mail(*(f"p{number}@mail.example" for number in range(1001))),
        "personalizations",
    ),
    "1,000 recipients": (
        one(bcc=[{"email": f"p{number}@mail.example"} for number in range(999)]),
        one(
            cc=[{"email": f"c{number}@mail.example"} for number in range(500)],
            bcc=[{"email": f"p{number}@mail.example"} for number in range(500)],
        ),
        "personalizations",
    ),
    "a recipient each": (one(), one(to=[]), "personalizations.0.to"),
    "to given": (one(), {**mail(), "personalizations": [{"subject": "Hello"}]}, "personalizations.0.to"),
    "an address once in a request": (
        mail("anna@mail.example", "ben@mail.example"),
        mail("anna@mail.example", "ANNA@mail.example"),
        "personalizations",
    ),
    "an address once in a personalization": (
        one(cc=[{"email": "ben@mail.example"}]),
        one(bcc=[{"email": "Anna@mail.example"}]),
        "personalizations.0",
    ),
    "addresses of recipients": (one(), mail("anna@mail.example", "anna"), "personalizations.1.to.0.email"),
    "names of recipients": (
        one(to=[{"email": "anna@mail.example", "name": "Anna Berg"}]),
        one(to=[{"email": "anna@mail.example", "name": "Berg, Anna"}]),
        "personalizations.0.to.0.name",
    ),
    "names without semicolon": (
        one(cc=[{"email": "ben@mail.example", "name": "Ben"}]),
        one(cc=[{"email": "ben@mail.example", "name": "Ben; Berg"}]),
        "personalizations.0.cc.0.name",
    ),
    "a sender": (mail(), without("from", mail()), "from"),
    "sender's address": (mail(), mail(**{"from": {"email": "shop"}}), "from.email"),
    "no Unicode in from": (
        mail(**{"from": {"email": "hello@shop.example", "name": "The shop"}}),
        mail(**{"from": {"email": "hello@shop.example", "name": "Käse"}}),
        "from.name",
    ),
    "no Unicode in a personalization's from": (
        one(**{"from": {"email": "hello@shop.example"}}),
        one(**{"from": {"email": "hello@käse.example"}}),
        "personalizations.0.from.email",
    ),
    "reply_to or reply_to_list": (
        mail(reply_to={"email": "help@shop.example"}),
        mail(reply_to={"email": "help@shop.example"}, reply_to_list=[{"email": "ask@shop.example"}]),
        "reply_to_list",
    ),
    "address of answers": (
        mail(reply_to_list=[{"email": "help@shop.example"}]),
        mail(reply_to_list=[{"email": "help@shop.example"}, {"email": "help"}]),
        "reply_to_list.1.email",
    ),
    "a subject": (mail(), without("subject", mail()), "subject"),
    "a subject for everybody": (
        without("subject", one(subject="Hello")),
        without("subject", {**mail("a@mail.example", "b@mail.example")}),
        "subject",
    ),
    "subjects not empty": (
        one(subject="H"),
        one(subject=""),
        "personalizations.0.subject",
    ),
    "subjects on one line": (
        one(subject="Hello"),
        one(subject="Hello\r\nBcc: x@y.example"),
        "personalizations.0.subject",
    ),
    "content": (mail(), without("content", mail()), "content"),
    "content or a template": (
        {
            **without("content", one(substitutions={}, dynamic_template_data={"name": "Anna"})),
            "template_id": "d-1",
        },
        mail(content=[]),
        "content",
    ),
    "text before HTML": (mail(content=[TEXT, HTML, AMP]), mail(content=[HTML, TEXT]), "content"),
    "HTML before the rest": (mail(content=[HTML, AMP]), mail(content=[AMP, HTML]), "content"),
    "text and HTML once": (mail(content=[TEXT, HTML]), mail(content=[TEXT, HTML, HTML]), "content"),
    "content not empty": (
        mail(content=[TEXT]),
        mail(content=[{"type": "text/plain", "value": ""}]),
        "content.0.value",
    ),
    "content type plain": (
        mail(content=[TEXT]),
        mail(content=[{"type": "text/plain; charset=utf-8", "value": "Hello"}]),
        "content.0.type",
    ),
    "reserved headers": (
        mail(headers={"X-Shop": "1"}),
        mail(headers={"Reply-To": "x@y.example"}),
        "headers.Reply-To",
    ),
    "reserved headers of a personalization": (
        one(headers={"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}),
        one(headers={"DKIM-Signature": "v=1"}),
        "personalizations.0.headers.DKIM-Signature",
    ),
    "header names": (mail(headers={"X-Shop": "1"}), mail(headers={"X Shop": "1"}), "headers"),
    "header values": (
        mail(headers={"X-Shop": "1"}),
        mail(headers={"X-Shop": "1\r\nBcc: x"}),
        "headers.X-Shop",
    ),
    "custom args are text": (
        one(custom_args={"rapport_attempt": "7"}),
        one(custom_args={"rapport_attempt": 7}),
        "personalizations.0.custom_args.rapport_attempt",
    ),
    "custom args of the message are text": (
        mail(custom_args={"a": "1"}),
        mail(custom_args={"a": True}),
        "custom_args.a",
    ),
    "custom args of the message are an object": (
        mail(custom_args={}),
        mail(custom_args="a"),
        "custom_args",
    ),
    "custom args under 10,000 bytes": (
        one(custom_args={"a": "ä" * 4999}),
        one(custom_args={"ab": "ä" * 4999}),
        "personalizations.0.custom_args",
    ),
    "custom args under 10,000 bytes together": (
        {**one(custom_args={"a": "x" * 5000}), "custom_args": {"a": "y" * 9000}},
        {**one(custom_args={"a": "x" * 5000}), "custom_args": {"b": "y" * 5000}},
        "personalizations.0.custom_args",
    ),
    "substitutions up to 10,000 bytes": (
        one(substitutions={"-n-": "x" * 9997}),
        one(substitutions={"-n-": "x" * 9998}),
        "personalizations.0.substitutions",
    ),
    "substitutions are text": (
        one(substitutions={"-n-": "1"}),
        one(substitutions={"-n-": 1}),
        "personalizations.0.substitutions.-n-",
    ),
    "substitutions or a dynamic template": (
        mail(template_id="13b8f94f"),
        mail(template_id="d-13b8f94f"),
        "personalizations.0.substitutions",
    ),
    "72 hours ahead": (
        mail(send_at=NOW + 71 * 3600),
        mail(send_at=NOW + 73 * 3600),
        "send_at",
    ),
    "72 hours ahead for one": (
        one(send_at=NOW - 3600),
        one(send_at=NOW + 240 * 3600),
        "personalizations.0.send_at",
    ),
    "ten categories": (
        mail(categories=[str(number) for number in range(10)]),
        mail(categories=[str(number) for number in range(11)]),
        "categories",
    ),
    "categories once": (mail(categories=["a", "b"]), mail(categories=["a", "a"]), "categories"),
    "categories of 255 characters": (
        mail(categories=["a" * 255]),
        mail(categories=["a" * 256]),
        "categories.0",
    ),
    "bypassing all goes alone": (
        mail(mail_settings=BYPASS_ALL),
        mail(mail_settings={**BYPASS_ALL, "bypass_spam_management": {"enable": True}}),
        "mail_settings.bypass_list_management",
    ),
    "an IP pool's name": (mail(ip_pool_name="news"), mail(ip_pool_name="n"), "ip_pool_name"),
    "25 groups to display": (
        mail(asm={"group_id": 1, "groups_to_display": list(range(25))}),
        mail(asm={"group_id": 1, "groups_to_display": list(range(26))}),
        "asm.groups_to_display",
    ),
    "attachments in base64": (
        mail(attachments=[FILE]),
        mail(attachments=[{**FILE, "content": "Hello!"}]),
        "attachments.0.content",
    ),
    "types of attachments": (
        mail(attachments=[{**FILE, "type": "text/plain"}]),
        mail(attachments=[{**FILE, "type": ""}]),
        "attachments.0.type",
    ),
    "where attachments are shown": (
        mail(attachments=[{**FILE, "disposition": "inline"}]),
        mail(attachments=[{**FILE, "disposition": "left"}]),
        "attachments.0.disposition",
    ),
    "no unknown keys": (mail(), mail(contents=[]), None),
    "no unknown keys in a personalization": (
        one(),
        one(dynamic_template_datas={}),
        "personalizations.0",
    ),
    "no unknown keys in settings": (
        mail(tracking_settings={"click_tracking": {"enable": True, "enable_text": False}}),
        mail(tracking_settings={"click_tracking": {"enabled": True}}),
        "tracking_settings.click_tracking",
    ),
    "switches are no text": (
        mail(mail_settings={"footer": {"enable": False}}),
        mail(mail_settings={"footer": {"enable": "false"}}),
        "mail_settings.footer.enable",
    ),
}


@pytest.fixture(scope="module", params=["document", "rules only"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Of a fake with SendGrid's document, and of one that has its own rules only."""
    with FakeSendGrid(OPENAPI if request.param == "document" else None) as fake:
        client = Client(fake)
        yield client
        client.pool.clear()


@pytest.mark.parametrize(("good", "bad", "field"), RULES.values(), ids=RULES)
def test_the_rule_is_kept(client: Client, good: Body, bad: Body, field: str | None) -> None:
    client.fake.clear()
    answer = client.send(good)
    assert (answer.status, answer.data) == (202, b"")
    accepted = len(client.fake.log())
    answer = client.send(bad)
    assert (answer.status, [error["field"] for error in errors(answer)]) == (400, [field])
    assert len(client.fake.log()) == accepted > 0


def test_several_mistakes_are_told_at_once(client: Client) -> None:
    answer = client.send(mail("anna", "ben@mail.example", "carl", content=[HTML, TEXT]))
    assert [error["field"] for error in errors(answer)] == [
        "personalizations.0.to.0.email",
        "personalizations.2.to.0.email",
        "content",
    ]


def test_too_many_personalizations_are_counted(client: Client) -> None:
    answer = client.send(mail(*(f"p{number}@mail.example" for number in range(1001))))
    assert "You have provided 1001 personalizations" in str(errors(answer)[0]["message"])


def test_type_size_and_form_of_the_body(client: Client) -> None:
    assert client.send(mail(), Content_Type="application/json; charset=utf-8").status == 202
    assert client.send(mail(), Content_Type="text/plain").status == 415
    assert client.send(b'{"personalizations": [').status == 400
    assert client.send(b"[]").status == 400
    text = "x" * (30_000_000 - 2000)
    assert client.send(mail(content=[{"type": "text/plain", "value": text}])).status == 202
    too_long = orjson.dumps(mail(content=[{"type": "text/plain", "value": text + "x" * 2000}]))
    assert len(too_long) > 30_000_000
    answer = client.send(too_long)
    assert (answer.status, errors(answer)[0]["message"]) == (413, "content too large")


def test_other_paths_and_methods(client: Client) -> None:
    assert client.ask("GET", "/v3/mail/send").status == 405
    assert client.ask("POST", "/v3/mail/sendx").status == 404
    assert "mail.send" in client.ask("GET", "/v3/scopes").json()["scopes"]
