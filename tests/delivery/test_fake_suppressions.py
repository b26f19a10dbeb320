"""The fake SendGrid's suppression lists answer as SendGrid's document of them says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from delivery.fake_requests import OPENAPI, Client, errors
from rapport.delivery.fake_sendgrid import FakeSendGrid

LISTS = ["bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes"]
DOCUMENT = orjson.loads(OPENAPI.with_name("tsg_suppressions_v3.json").read_bytes())


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with FakeSendGrid() as fake:
        client = Client(fake)
        yield client
        client.pool.clear()


@pytest.fixture(autouse=True)
def nobody_suppressed(client: Client) -> None:
    client.fake.clear()


def emails(client: Client, path: str) -> list[str]:
    answer = client.ask("GET", path)
    assert answer.status == 200
    return [entry["email"] for entry in answer.json()]


def schema(path: str) -> dict[str, Any]:
    operation = DOCUMENT["paths"][path]["get"]
    return operation["responses"]["200"]["content"]["application/json"]["schema"]


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_the_form_of_the_document(client: Client, name: str) -> None:
    client.fake.suppress(name, "anna@mail.example", 1_700_000_000)
    client.fake.suppress(name, "ben@mail.example", 1_700_000_100)
    found = client.ask("GET", f"/v3/suppression/{name}").json()
    assert [(entry["created"], entry["email"]) for entry in found] == [
        (1_700_000_000, "anna@mail.example"),
        (1_700_000_100, "ben@mail.example"),
    ]
    written = schema(f"/v3/suppression/{name}")
    validator = jsonschema_rs.Draft202012Validator({**written, "components": DOCUMENT["components"]})
    validator.validate(found)
    assert client.ask("GET", f"/v3/suppression/{name}", Authorization="").status == 401


@pytest.mark.parametrize("name", LISTS)
def test_pages_and_times(client: Client, name: str) -> None:
    for number in range(7):
        client.fake.suppress(name, f"p{number}@mail.example", 1000 + number)
    path = f"/v3/suppression/{name}"
    assert emails(client, f"{path}?limit=3") == [f"p{number}@mail.example" for number in (0, 1, 2)]
    assert emails(client, f"{path}?limit=3&offset=6") == ["p6@mail.example"]
    assert emails(client, f"{path}?start_time=1005") == ["p5@mail.example", "p6@mail.example"]
    assert emails(client, f"{path}?end_time=1000") == ["p0@mail.example"]
    assert emails(client, f"{path}?email=p3") == ["p3@mail.example"]
    assert emails(client, f"{path}?email=%254%25example") == ["p4@mail.example"]
    assert errors(client.ask("GET", f"{path}?limit=501"))[0]["field"] == "limit"
    assert client.ask("GET", f"{path}?start_time=yesterday").status == 400


def test_one_address_and_its_removal(client: Client) -> None:
    client.fake.suppress("bounces", "Anna@mail.example", 1000, reason="550 no", status="5.0.0")
    path = "/v3/suppression/bounces"
    entry = {"created": 1000, "email": "Anna@mail.example", "reason": "550 no", "status": "5.0.0"}
    assert client.ask("GET", f"{path}/anna%40mail.example").json() == [entry]
    assert client.ask("DELETE", f"{path}/anna@mail.example").status == 204
    assert client.ask("DELETE", f"{path}/anna@mail.example").status == 404
    for name in ("ben", "carl", "dora"):
        client.fake.suppress("bounces", f"{name}@mail.example")
    assert client.ask("DELETE", path, b'{"emails":["ben@mail.example"]}').status == 204
    assert emails(client, path) == ["carl@mail.example", "dora@mail.example"]
    assert client.ask("DELETE", path, b'{"delete_all":true}').status == 204
    assert emails(client, path) == []


def test_the_list_for_everything(client: Client) -> None:
    path = "/v3/asm/suppressions/global"
    answer = client.ask("POST", path, b'{"recipient_emails":["anna@mail.example"]}')
    assert (answer.status, answer.json()) == (201, {"recipient_emails": ["anna@mail.example"]})
    assert emails(client, "/v3/suppression/unsubscribes") == ["anna@mail.example"]
    assert client.ask("GET", f"{path}/anna@mail.example").json() == {"recipient_email": "anna@mail.example"}
    assert client.ask("GET", f"{path}/ben@mail.example").json() == {}
    assert client.ask("DELETE", f"{path}/anna@mail.example").status == 204
    assert emails(client, "/v3/suppression/unsubscribes") == []


def test_lists_outlive_a_kill_and_requests_are_remembered(tmp_path: Path) -> None:
    with FakeSendGrid(file=tmp_path / "log.jsonl") as fake:
        client = Client(fake)
        fake.suppress("blocks", "anna@mail.example", 1000)
        fake.suppress("blocks", "ben@mail.example", 1001)
        assert client.ask("DELETE", "/v3/suppression/blocks/anna@mail.example").status == 204
        fake.kill()
        fake.start()
        assert emails(client, "/v3/suppression/blocks?start_time=5") == ["ben@mail.example"]
        last = fake.requests()[-1]
        assert (last.method, last.path, last.query) == ("GET", "/v3/suppression/blocks", {"start_time": "5"})
        client.pool.clear()


def test_erasing_and_answers_of_ones_own(client: Client) -> None:
    answer = client.ask("POST", "/v3/recipients/erasejob", b'{"email_addresses":["anna@mail.example"]}')
    assert (answer.status, list(answer.json())) == (202, ["job_id"])
    assert client.ask("POST", "/v3/recipients/erasejob", b'{"email_addresses":[]}').status == 400
    assert client.ask("GET", "/v3/whitelabel/domains").status == 404
    client.fake.set_answers({"GET /v3/whitelabel/domains": [{"domain": "shop.example"}]})
    assert client.ask("GET", "/v3/whitelabel/domains").json() == [{"domain": "shop.example"}]
