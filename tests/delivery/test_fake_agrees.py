"""The fake SendGrid agrees with what the vendor publishes: its document's examples and its Python package."""

import logging
import random
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Mail, To

from delivery.fake_requests import OPENAPI, Client, mail
from rapport.delivery.fake_sendgrid import FakeSendGrid, Fault
from rapport.delivery.fake_sendgrid.http_server import Request
from rapport.delivery.fake_sendgrid.mail_send import Refused, read_mail
from rapport.delivery.fake_sendgrid.openapi import MailDocument

DOCUMENT = orjson.loads(OPENAPI.read_bytes())
SEND = DOCUMENT["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with FakeSendGrid(OPENAPI) as fake:
        client = Client(fake)
        yield client
        client.pool.clear()


@pytest.mark.parametrize("name", SEND["examples"])
def test_takes_the_documents_examples(client: Client, name: str) -> None:
    example = SEND["examples"][name]["value"]
    assert client.send(example).status == 202
    for missing in ("personalizations", "from"):
        assert client.send({key: value for key, value in example.items() if key != missing}).status == 400


def test_refuses_in_the_form_of_the_document(client: Client) -> None:
    schema = {**DOCUMENT["components"]["schemas"]["ErrorResponse"]}
    # The document calls `help` an object; what the API sends is the address of a page, or null.
    schema["properties"]["errors"]["items"]["properties"]["help"]["type"] = ["string", "null"]
    schema["properties"]["errors"]["items"]["properties"]["field"]["type"] = ["string", "null"]
    validator = jsonschema_rs.Draft202012Validator(schema)
    answers = [
        client.send(mail(subject="")),
        client.send(mail(), Authorization=""),
        client.send(mail(), Content_Type="text/html"),
        client.ask("GET", "/v3/mail/send"),
        client.ask("GET", "/v3/nothing"),
    ]
    for status in (400, 401, 403, 404, 405, 413, 500):
        client.fake.set_faults(Fault("status", status))
        answers.append(client.send(mail()))
    client.fake.set_faults()
    for answer in answers:
        assert answer.status >= 400
        assert answer.json()["errors"]
        validator.validate(answer.json())


def test_works_with_the_vendors_package(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    client.fake.clear()
    message = Mail(
        from_email=("hello@shop.example", "The shop"),
        to_emails=[To("anna@mail.example", substitutions={"-name-": "Anna"}), To("ben@mail.example")],
        subject="Hello",
        plain_text_content="Hello -name-",
        html_content="<p>Hello -name-</p>",
        is_multiple=True,
    )
    sendgrid = SendGridAPIClient(client.fake.key, host=client.fake.url)
    answer = sendgrid.send(message)
    assert answer.status_code == 202
    assert answer.headers["X-Message-Id"] == client.fake.log()[0].request_id
    assert {mail.email: mail.text for mail in client.fake.mails()} == {
        "anna@mail.example": "Hello Anna",
        "ben@mail.example": "Hello -name-",
    }
    bounces = sendgrid.client.suppression.bounces.get(query_params={"limit": 10})
    assert (bounces.status_code, bounces.body) == (200, b"[]")


def test_the_document_is_asked_and_its_custom_arguments_are_objects() -> None:
    document = MailDocument(OPENAPI)
    assert list(document.mistakes(mail(custom_args={"a": "1"}))) == []
    found = {mistake.field: mistake.message for mistake in document.mistakes(mail("anna", custom_args="a"))}
    assert found == {
        "personalizations.0.to.0.email": "Does not match format 'email'",
        "custom_args": "Invalid type. Expected: object.",
    }


JUNK: list[Any] = [None, True, -1, 2.5, "", "a;b,c\r\n", "ä@ö", [], {}, [[]], [{}], {"x": [None]}, "1" * 300]


def everything() -> dict[str, Any]:
    """A mail that uses every key that there is, but for those that exclude others."""
    switch = {"enable": False}
    body = mail(
        reply_to_list=[{"email": "help@shop.example", "name": "Help"}],
        headers={"X-Shop": "1"},
        attachments=[{"content": "SGVsbG8=", "filename": "a.txt", "type": "text/plain", "content_id": "a"}],
        categories=["news"],
        custom_args={"shop": "1"},
        send_at=1_700_000_000,
        batch_id="a",
        template_id="13b8f94f",
        ip_pool_name="news",
        asm={"group_id": 1, "groups_to_display": [1]},
        mail_settings={"footer": {"enable": True, "text": "a", "html": "b"}, "sandbox_mode": switch},
        tracking_settings={
            "click_tracking": {"enable": True, "enable_text": False},
            "open_tracking": {"enable": True, "substitution_tag": "%o%"},
            "subscription_tracking": {"enable": True, "text": "a", "html": "b", "substitution_tag": "%s%"},
            "ganalytics": {"enable": True, "utm_source": "a", "utm_medium": "b", "utm_campaign": "c"},
        },
    )
    body["personalizations"][0] |= {
        "cc": [{"email": "ben@mail.example", "name": "Ben"}],
        "bcc": [{"email": "carl@mail.example"}],
        "from": {"email": "sales@shop.example"},
        "subject": "Hello",
        "send_at": 1_700_000_000,
    }
    return body


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield before
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*before, key))


def spoiled(body: Any, chance: random.Random) -> Any:
    """The body with junk in one place, or without that place, or with one more key there."""
    copy = orjson.loads(orjson.dumps(body))
    *way, last = chance.choice(list(places(copy))[1:])
    inner = copy
    for key in way:
        inner = inner[key]
    match chance.randrange(3):
        case 0:
            inner[last] = chance.choice(JUNK)
        case 1:
            del inner[last]
        case _ if isinstance(inner, dict):
            inner["unknown"] = chance.choice(JUNK)
        case _:
            inner.append(chance.choice(JUNK))
    return copy


def test_its_own_rules_refuse_what_the_document_refuses() -> None:
    document = MailDocument(OPENAPI)
    chance = random.Random(5)
    examples = [each["value"] for each in SEND["examples"].values()] + [mail(), everything()]
    refused = 0
    for _ in range(3000):
        body = spoiled(chance.choice(examples), chance)
        request = Request("POST", "", {}, {"content-type": "application/json"}, orjson.dumps(body))
        found = list(document.mistakes(body))
        try:
            read_mail(request, None, 1_700_000_000)
            assert not found, (body, found)
        except Refused:
            refused += 1
    assert 1000 < refused < 3000
