"""POST /hooks/sendgrid: only what is signed, byte for byte, is kept, and answered once it is kept."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from public_application import Public
from webhook_signing import PUBLIC_KEY, public_key, signed

from rapport.errors import ConfigurationError
from rapport.public import webhook
from rapport.public.failures import CLIENTS, FAILURES, PERIOD, FailureLimit
from rapport.public.webhook import LARGEST_BODY, WebhookKeys

BODY = b'[{"event": "delivered", "email": "anna@mail.example", "timestamp": 1781000000}]\r\n'
HOOK = "/hooks/sendgrid"


def test_a_signed_body_is_kept_as_it_came(public: Public) -> None:
    answer = public.client.post(HOOK, content=BODY, headers=signed(BODY))
    assert answer.status_code == 204
    assert public.bodies() == [BODY]


def test_sendgrids_own_example_verifies() -> None:
    example = json.loads(
        (Path(__file__).parents[2] / "../shared/data/sendgrid/event_webhook_vector.json").read_text()
    )
    keys = WebhookKeys.parse([PUBLIC_KEY, example["public_key"]])
    body = example["body"].encode()
    assert keys.verify(example["signature"], example["timestamp"], body)
    assert not keys.verify(example["signature"], example["timestamp"], body.rstrip())


CHANGES: list[Callable[..., tuple[bytes, dict[str, str]]]] = [
    lambda body, headers: (json.dumps(json.loads(body)).encode() + b" ", headers),
    lambda body, headers: (body, {**headers, "X-Twilio-Email-Event-Webhook-Timestamp": "1781000001"}),
    lambda body, headers: (body, {k: v for k, v in headers.items() if not k.endswith("Signature")}),
    lambda body, headers: (body, {k: v for k, v in headers.items() if not k.endswith("Timestamp")}),
    lambda body, headers: (body, {**headers, "X-Twilio-Email-Event-Webhook-Signature": "%%% no base64"}),
    lambda body, headers: (body, {**headers, "X-Twilio-Email-Event-Webhook-Signature": "AAAA"}),
    lambda body, _: (body, signed(body, ec.generate_private_key(ec.SECP256R1()))),
]


def test_anything_else_is_refused(public: Public) -> None:
    """Re-serialised, another time, no signature, no time, no base64, no DER, another account's key."""
    for change in CHANGES:
        body, headers = change(BODY, signed(BODY))
        assert public.client.post(HOOK, content=body, headers=headers).status_code == 403
    assert public.bodies() == []


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(BODY) * 8 - 1))
def test_no_bit_of_the_body_may_flip(bit: int) -> None:
    flipped = bytearray(BODY)
    flipped[bit // 8] ^= 1 << bit % 8
    headers = signed(BODY)
    keys = WebhookKeys.parse([PUBLIC_KEY])
    values = list(headers.values())
    assert keys.verify(values[0], values[1], BODY)
    assert not keys.verify(values[0], values[1], bytes(flipped))


def test_a_key_can_be_replaced(public: Public) -> None:
    old, new = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    keys = WebhookKeys.parse([public_key(new), public_key(old)])
    for key in (old, new):
        signature, timestamp, _ = signed(BODY, key).values()
        assert keys.verify(signature, timestamp, BODY)


@pytest.mark.parametrize("written", ["no key", "AAAA", "MFkw"])
def test_what_is_no_key_is_named(written: str) -> None:
    with pytest.raises(ConfigurationError, match="RAPPORT_WEBHOOK_KEYS: key 2 is no verification key"):
        WebhookKeys.parse([PUBLIC_KEY, written])


def test_without_a_key_nothing_is_taken(keyless: httpx.Client, public: Public) -> None:
    assert keyless.post(HOOK, content=BODY, headers=signed(BODY)).status_code == 503
    assert public.bodies() == []


def test_the_size_is_limited_before_anything_else(public: Public, keyless: httpx.Client) -> None:
    body = b" " * (LARGEST_BODY + 1)

    def in_parts() -> Iterator[bytes]:
        yield from (body[place : place + 2**16] for place in range(0, len(body), 2**16))

    for client in (keyless, public.client):
        assert client.post(HOOK, content=body, headers=signed(b"")).status_code == 413
    assert public.client.post(HOOK, content=in_parts(), headers=signed(b"")).status_code == 413
    largest = b" " * LARGEST_BODY
    assert public.client.post(HOOK, content=largest, headers=signed(largest)).status_code == 204


def test_many_large_bodies_at_once_do_not_fill_the_memory(
    public: Public, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SendGrid comes again; what was read of those that were refused is given back."""
    body = b" " * 100_000
    monkeypatch.setattr(webhook, "MOST_AT_ONCE", 50_000)
    for _ in range(3):
        assert public.client.post(HOOK, content=body, headers=signed(body)).status_code == 503
    monkeypatch.setattr(webhook, "MOST_AT_ONCE", 100_000)
    for _ in range(3):
        assert public.client.post(HOOK, content=body, headers=signed(body)).status_code == 204


def test_only_failures_are_limited(public: Public) -> None:
    answers = [public.client.post(HOOK, content=BODY).status_code for _ in range(FAILURES + 1)]
    assert answers == [403] * FAILURES + [429]
    assert public.client.post(HOOK, content=BODY, headers=signed(BODY)).status_code == 204


def test_a_failure_is_forgotten_after_a_while_and_of_few_clients_is_remembered() -> None:
    now = 0.0
    limit = FailureLimit(lambda: now)
    assert [limit.is_exceeded_by("192.0.2.1") for _ in range(FAILURES + 1)] == [False] * FAILURES + [True]
    assert not limit.is_exceeded_by("192.0.2.2")
    now += PERIOD
    assert not limit.is_exceeded_by("192.0.2.1")
    for number in range(2 * CLIENTS):
        limit.is_exceeded_by(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(limit) == CLIENTS


def test_a_machine_with_a_whole_ipv6_network_is_one_client() -> None:
    limit = FailureLimit(lambda: 0.0)
    answers = [limit.is_exceeded_by(f"2001:db8::{number:x}") for number in range(FAILURES + 1)]
    assert answers[-1]
    assert not limit.is_exceeded_by("2001:db8:0:1::1")


def test_where_the_database_is_gone_sendgrid_is_asked_to_come_again(broken: httpx.Client) -> None:
    assert broken.post(HOOK, content=BODY, headers=signed(BODY)).status_code == 503
    assert broken.get("/health").status_code == 503


def test_connections_that_the_server_closed_cost_nothing(public: Public) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: public.client.get("/health"), range(60)))
    public.owner.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rapport serve'"
    )
    assert public.client.post(HOOK, content=BODY, headers=signed(BODY)).status_code == 204
    assert public.bodies() == [BODY]


def test_the_rest_is_not_there(public: Public) -> None:
    for path in ("/", "/docs", "/openapi.json", "/u/", "/hooks/other"):
        assert public.client.get(path).status_code == 404
    assert public.client.get(HOOK).status_code == 405
