"""The fake SendGrid's events: signed like SendGrid's, of its form, in every disorder."""

import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest
from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader

from delivery.fake_requests import OPENAPI, Client, mail
from rapport.delivery.fake_sendgrid import Behaviour, Disorder, FakeSendGrid, Happening

VECTOR = orjson.loads(OPENAPI.with_name("event_webhook_vector.json").read_bytes())
Event = dict[str, Any]


class Receiver:
    """A webhook that keeps what it is sent; it answers the first posts with `statuses`, the rest with 204."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((dict(self.headers), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/sendgrid"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def events(self) -> list[Event]:
        return [event for _, body in self.posts for event in orjson.loads(body)]

    def wait_for(self, number: int, refused: int) -> list[Event]:
        """The events of all posts but the first `refused`, once so many different ones are there; fails after
        twenty seconds."""
        end = time.monotonic() + 20
        while True:
            events = [event for _, body in self.posts[refused:] for event in orjson.loads(body)]
            if len({(event["email"], event["event"]) for event in events}) >= number:
                return events
            assert time.monotonic() < end, f"{len(events)} events came"
            time.sleep(0.02)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Client]:
    with FakeSendGrid(OPENAPI) as fake:
        client = Client(fake)
        yield client
        client.pool.clear()


@pytest.fixture
def client(running: Client) -> Client:
    running.fake.clear()
    return running


def is_proven(public_key: str, headers: dict[str, str], body: bytes) -> bool:
    """What the vendor's own package says."""
    verifier = EventWebhook(public_key)
    return verifier.verify_signature(
        body.decode(), headers[EventWebhookHeader.SIGNATURE], headers[EventWebhookHeader.TIMESTAMP]
    )


def test_the_vendors_signed_example_is_proven_by_the_vendors_package() -> None:
    headers = {
        EventWebhookHeader.SIGNATURE: VECTOR["signature"],
        EventWebhookHeader.TIMESTAMP: VECTOR["timestamp"],
    }
    assert is_proven(VECTOR["public_key"], headers, VECTOR["body"].encode())
    assert not is_proven(VECTOR["public_key"], headers, VECTOR["body"].rstrip().encode())


def test_events_are_signed_like_sendgrids(client: Client, receiver: Receiver) -> None:
    client.send(mail())
    emitted = client.fake.emit_events("delivered", to=receiver.url)
    assert (emitted.events, emitted.sent, emitted.answers) == (1, 1, [204])
    headers, body = receiver.posts[0]
    assert is_proven(client.fake.public_key, headers, body)
    assert body.endswith(b"\r\n")
    assert headers["Content-Type"].startswith("application/json")
    assert not is_proven(client.fake.public_key, headers, body.replace(b"m0", b"m1"))
    assert not is_proven(VECTOR["public_key"], headers, body)
    later = {**headers, EventWebhookHeader.TIMESTAMP: str(int(time.time()) + 1)}
    assert not is_proven(client.fake.public_key, later, body)


def test_events_have_the_fields_of_the_vendors_example(client: Client, receiver: Receiver) -> None:
    client.send(mail())
    client.fake.emit_events("dropped", to=receiver.url)
    (example,) = orjson.loads(VECTOR["body"])
    (ours,) = receiver.events
    assert set(ours) == {*example, "status", "rapport_message", "rapport_attempt"}
    assert {name: type(ours[name]) for name in example} == {
        name: type(value) for name, value in example.items()
    }
    assert (ours["event"], ours["reason"]) == (example["event"], example["reason"])
    assert (ours["rapport_message"], ours["rapport_attempt"]) == ("m0", "7")


@pytest.mark.parametrize(
    ("name", "event", "fields"),
    [
        ("processed", "processed", set()),
        ("deferred", "deferred", {"response", "attempt", "domain"}),
        ("delivered", "delivered", {"response", "ip"}),
        ("bounce", "bounce", {"reason", "status", "type"}),
        ("blocked", "bounce", {"reason", "status", "type"}),
        ("dropped", "dropped", {"reason"}),
        ("open", "open", {"useragent", "ip", "sg_machine_open"}),
        ("machine_open", "open", {"useragent", "ip", "sg_machine_open"}),
        ("click", "click", {"useragent", "ip", "url", "url_offset"}),
        ("spamreport", "spamreport", set()),
        ("unsubscribe", "unsubscribe", set()),
        ("group_unsubscribe", "group_unsubscribe", {"asm_group_id"}),
        ("group_resubscribe", "group_resubscribe", {"asm_group_id"}),
    ],
)
def test_every_kind_of_event(
    client: Client, receiver: Receiver, name: str, event: str, fields: set[str]
) -> None:
    client.send(mail(categories=["news"]))
    client.fake.emit_events(name, to=receiver.url)
    (found,) = receiver.events
    assert found["event"] == event
    assert fields <= set(found)
    assert found["category"] == ["news"]
    assert found["email"] == "anna@mail.example"
    assert abs(found["timestamp"] - time.time()) < 10
    if event == "bounce":
        assert found["type"] == name
    if event == "open":
        assert found["sg_machine_open"] is (name == "machine_open")


def test_events_of_chosen_mails_with_chosen_fields(client: Client, receiver: Receiver) -> None:
    client.send(mail("anna@mail.example", "ben@mail.example", "carl@mail.example"))
    click = Happening("click", 3600, {"url": "https://shop.example/sale"})
    client.fake.emit_events(click, "delivered", to=receiver.url, recipients="^(anna|ben)@")
    client.fake.emit_events("spamreport", to=receiver.url, message_ids=["m2"])
    assert [(event["event"], event["email"][:3]) for event in receiver.events] == [
        ("delivered", "ann"),
        ("delivered", "ben"),
        ("click", "ann"),
        ("click", "ben"),
        ("spamreport", "car"),
    ]
    assert receiver.events[2]["url"] == "https://shop.example/sale"
    assert receiver.events[2]["timestamp"] - receiver.events[0]["timestamp"] == 3600


def test_events_put_addresses_on_their_lists(client: Client, receiver: Receiver) -> None:
    client.send(mail("anna@mail.example", "ben@mail.example", "carl@mail.example", "dora@mail.example"))
    for name, who in [
        ("bounce", "anna"),
        ("blocked", "ben"),
        ("spamreport", "carl"),
        ("unsubscribe", "dora"),
    ]:
        client.fake.emit_events(name, to=receiver.url, recipients=who)
    found = {
        name: [entry["email"][:4] for entry in client.ask("GET", f"/v3/suppression/{name}").json()]
        for name in ("bounces", "blocks", "spam_reports", "unsubscribes", "invalid_emails")
    }
    assert found == {
        "bounces": ["anna"],
        "blocks": ["ben@"],
        "spam_reports": ["carl"],
        "unsubscribes": ["dora"],
        "invalid_emails": [],
    }


def test_copies_disorder_and_strange_fields(client: Client, receiver: Receiver) -> None:
    client.send(mail(*(f"p{number}@mail.example" for number in range(200)), categories=["news"]))
    disorder = Disorder(
        copied=0.5,
        shuffled=True,
        without_sg_message_id=0.2,
        without_custom_args=0.2,
        unknown_fields=0.2,
        category_as_text=0.5,
        batch=37,
    )
    emitted = client.fake.emit_events("processed", "delivered", to=receiver.url, disorder=disorder)
    events = receiver.events
    assert emitted.events == 400
    assert emitted.sent == len(events) > 450
    assert max(len(orjson.loads(body)) for _, body in receiver.posts) == 37
    assert {type(event["category"]) for event in events} == {str, list}
    for name, share in [("sg_message_id", 0.2), ("rapport_message", 0.2), ("sg_new_in_2027", 0.8)]:
        missing = sum(name not in event for event in events) / len(events)
        assert share - 0.1 < missing < share + 0.1
    in_order = [f"p{number}@mail.example" for number in range(200)]
    assert list(dict.fromkeys(event["email"] for event in events)) != in_order
    ids = {event["sg_event_id"] for event in events}
    assert 400 < len(ids) < len(events)
    # The same seed makes the same events again, but for ids that depend on nothing else.
    receiver.posts.clear()
    client.fake.emit_events("processed", "delivered", to=receiver.url, disorder=disorder)
    assert receiver.events == events
    receiver.posts.clear()
    client.fake.emit_events("processed", "delivered", to=receiver.url, disorder=disorder, seed=2)
    assert receiver.events != events


def test_what_is_not_taken_is_sent_again_under_other_ids(client: Client, receiver: Receiver) -> None:
    client.send(mail())
    receiver.statuses = [500, 503]
    assert client.fake.emit_events("delivered", to=receiver.url, tries=5).answers == [500, 503, 204]
    first, second, third = receiver.events
    assert len({event["sg_event_id"] for event in (first, second, third)}) == 3
    del first["sg_event_id"], second["sg_event_id"], third["sg_event_id"]
    assert first == second == third
    receiver.statuses = [302, 400]
    assert client.fake.emit_events("delivered", to=receiver.url, tries=2).answers == [302, 400]
    nobody = "http://127.0.0.1:9/hooks"
    assert client.fake.emit_events("delivered", to=nobody).answers == [None]


def test_recipients_behave_as_told(client: Client, receiver: Receiver) -> None:
    html = '<a href="https://shop.example/a?b=1&amp;c=2">a</a> <a clicktracking=off href="https://shop.example/u">'
    body = mail(*(f"p{number}@mail.example" for number in range(1000)))
    body["content"][1]["value"] = html + '</a><a class="x" href="https://shop.example/b">b</a>'
    body["tracking_settings"] = {"open_tracking": {"enable": False}}
    client.send(body)
    client.fake.suppress("spam_reports", "P5@mail.example")
    behaviour = Behaviour(bounced=0.1, blocked=0.05, clicked=0.2, machine_clicked=0.1, deferred=0.1)
    client.fake.emit_events(behaviour=behaviour, to=receiver.url)
    events = receiver.events
    number = {name: sum(event["event"] == name for event in events) for name in {e["event"] for e in events}}
    assert number["processed"] == 999
    assert [event["email"] for event in events if event["event"] == "dropped"] == ["p5@mail.example"]
    bounced = {event["email"] for event in events if event.get("type") == "bounce"}
    blocked = {event["email"] for event in events if event.get("type") == "blocked"}
    delivered = {event["email"] for event in events if event["event"] == "delivered"}
    assert 70 < len(bounced) < 130
    assert 25 < len(blocked) < 80
    assert len(delivered | bounced | blocked) == 999
    assert "open" not in number
    clicks = [event for event in events if event["event"] == "click"]
    assert {click["url"] for click in clicks} == {"https://shop.example/a?b=1&c=2", "https://shop.example/b"}
    machines = {click["email"] for click in clicks if "LinkScanner" in click["useragent"]}
    assert 50 < len(machines) < 130
    assert sum("LinkScanner" in click["useragent"] for click in clicks) == 2 * len(machines)
    assert {click["email"] for click in clicks} <= delivered
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)


def test_a_rehearsal_sends_events_by_itself(receiver: Receiver) -> None:
    behaviour = "bounced=0.2,delivered_after=0.01,reacted_after=0.01,blocked=0,deferred=0,bounced_late=0"
    options = [f"--events-to={receiver.url}", f"--behaviour={behaviour}", "--disorder=delayed=0.1"]
    receiver.statuses = [500]
    with FakeSendGrid(options=options) as fake:
        client = Client(fake)
        client.send(mail(*(f"p{number}@mail.example" for number in range(100))))
        # Each of the 100 is processed, and delivered or bounced; what was refused comes again after a pause.
        events = receiver.wait_for(200, refused=1)
        headers, body = receiver.posts[0]
        assert is_proven(fake.public_key, headers, body)
        assert {event["event"] for event in events} >= {"processed", "delivered", "bounce"}
        assert client.ask("GET", "/v3/suppression/bounces").json()
        client.pool.clear()


def test_the_key_outlives_a_kill(tmp_path: Path) -> None:
    with FakeSendGrid(file=tmp_path / "log.jsonl") as fake:
        before = fake.public_key
        fake.kill()
        fake.start()
        assert fake.public_key == before


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--behaviour=bouncing=1", "bouncing is not known; there are deferred, bounced"),
        ("--disorder=copied=often", "copied=often is not like copied=0.02"),
        ("--openapi=/dev/null", "is not SendGrid's OpenAPI document"),
    ],
)
def test_says_what_is_wrong_with_an_option(tmp_path: Path, option: str, sentence: str) -> None:
    assert sentence in refusal_of(tmp_path, option)


def test_says_that_its_port_is_taken(tmp_path: Path, receiver: Receiver) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    assert f"port {port} of 127.0.0.1 cannot be used" in refusal_of(tmp_path, f"--port={port}")


def refusal_of(tmp_path: Path, option: str) -> str:
    """What a fake that does not start says."""
    command = [sys.executable, "-m", "rapport.delivery.fake_sendgrid", f"--log={tmp_path / 'log'}"]
    ended = subprocess.run(
        [*command, "--events-to=http://127.0.0.1:9/", option],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "plugins")},
    )
    assert ended.returncode == 1
    return ended.stderr
