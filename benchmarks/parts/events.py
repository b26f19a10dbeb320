"""SendGrid's events: over HTTP to `rapport serve`, verified and stored, and from there into the tables.

Server, sender of the events and PostgreSQL share the machine. Every event is of a message of its own; a tenth
of the mails bounce. `RAPPORT_BENCH_EVENTS` says how many events.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rapport import warehouse
from rapport.audiences.recipients import RecipientKey
from rapport.delivery.events import drain
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings

EVENTS = int(os.environ.get("RAPPORT_BENCH_EVENTS", "600000"))
PER_BODY = 200  # about as many as SendGrid sends at once
PER_ATTEMPT = 1000
CLIENTS = 4
TARGET = 15_000
DRAIN_TARGET = 5_000  # as fast as mails have to leave
PROJECT = Path(__file__).resolve().parents[2]
PRIVATE_KEY = ec.generate_private_key(ec.SECP256R1())

MESSAGES = """
insert into ops.runs (run_id, as_of, config_hash, state)
overriding system value values (1, now(), '', 'succeeded');
insert into activation.editions
(edition_id, campaign, slot_at, due_at, run_id, state, edition_hash, specification)
values ('letter/1', 'letter', now(), now(), 1, 'sending', '', '{}');
insert into activation.attempts (attempt_id, edition_id, transport, messages, requested_at, ended_at, outcome)
overriding system value
select attempt, 'letter/1', 'sendgrid', %(per_attempt)s, now(), now(), 'accepted'
from generate_series(1, %(events)s / %(per_attempt)s + 1) as attempt;
insert into activation.messages
(
    message_id, edition_id, campaign, customer_id, recipient_key, state, due_at, claimed_at, accepted_at,
    attempt_id
)
select
    ('00000000-0000-4000-8000-' || lpad(to_hex(number), 12, '0'))::uuid,
    'letter/1', 'letter', 'c_' || number, 'key_' || md5(number::text), 'accepted', now(), now(), now(),
    number / %(per_attempt)s + 1
from generate_series(1, %(events)s) as number;
analyze activation.messages;
"""


def measures() -> Iterator[dict[str, object]]:
    """events.per_second: over HTTP, verified and stored. events.drained_per_second: from there on."""
    bodies = [_body(first) for first in range(1, EVENTS + 1, PER_BODY)]
    with tempfile.TemporaryDirectory(prefix="rapport-events-") as folder:
        settings = replace(Settings.from_environment({}), home=Path(folder), config=PROJECT / "config")
        server = EmbeddedPostgres(Path(folder) / "postgres").start()
        try:
            warehouse.migrate(server.url("rapport"))
            with _public_pages(settings) as port:
                begun = time.monotonic()
                with ThreadPoolExecutor(CLIENTS) as clients:
                    list(clients.map(lambda share: _post(port, bodies[share::CLIENTS]), range(CLIENTS)))
                stored = time.monotonic() - begun
            yield _measure("events.per_second", stored, TARGET)
            with warehouse.connect(server.url("rapport"), autocommit=True) as connection:
                drained = _drain(connection, settings, len(bodies))
            yield _measure("events.drained_per_second", drained, DRAIN_TARGET)
        finally:
            server.stop()


def _drain(connection: psycopg.Connection, settings: Settings, bodies: int) -> float:
    """Seconds that draining everything takes; all of it has to arrive."""
    parameters = {"events": EVENTS, "per_attempt": PER_ATTEMPT}
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(MESSAGES, parameters)
    begun = time.monotonic()
    counts = drain(connection, RecipientKey.from_settings(settings), datetime.now(UTC))
    seconds = time.monotonic() - begun
    assert (counts.bodies, counts.events, counts.strays) == (bodies, EVENTS, 0), counts
    assert counts.suppressed == len(range(10, EVENTS + 1, 10)), counts
    return seconds


def _body(first: int) -> tuple[bytes, dict[str, str]]:
    """A body as SendGrid sends it, and its headers."""
    events = [
        {
            "email": f"somebody.{number}@mail.example",
            "timestamp": 1_782_000_000 + number % 3600,
            "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
            "event": "bounce" if number % 10 == 0 else "delivered",
            "type": "bounce",
            "reason": "550 5.1.1 The email account that you tried to reach does not exist",
            "status": "5.1.1",
            "ip": "192.0.2.17",
            "tls": 1,
            "response": "250 2.0.0 OK 1782000000 d2e1a72fcca58-8a5c1d2 - gsmtp",
            "sg_event_id": f"ZGVsaXZlcmVkLTAtMTA5OTQ5MTktTFJ6WGxfTkhT{number:08d}",
            "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
            "rapport_message": f"00000000-0000-4000-8000-{number:012x}",
            "rapport_attempt": str(number // PER_ATTEMPT + 1),
        }
        for number in range(first, min(first + PER_BODY, EVENTS + 1))
    ]
    body = orjson.dumps(events)
    signature = PRIVATE_KEY.sign(b"1782000000" + body, ec.ECDSA(SHA256()))
    return body, {
        "X-Twilio-Email-Event-Webhook-Signature": b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": "1782000000",
        "Content-Type": "application/json",
    }


def _post(port: int, bodies: list[tuple[bytes, dict[str, str]]]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body, headers in bodies:
        connection.request("POST", "/hooks/sendgrid", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 204, answer.status
    connection.close()


@contextmanager
def _public_pages(settings: Settings) -> Iterator[int]:
    """`rapport serve` on a free port."""
    key = PRIVATE_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT / "plugins"),
        "RAPPORT_HOME": str(settings.home),
        "RAPPORT_CONFIG": str(settings.config),
        "RAPPORT_WEBHOOK_KEYS": b64encode(key).decode(),
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "rapport", "serve", f"--port={port}", "--log-level=warning"]
    process = subprocess.Popen(command, env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "rapport serve ended"
            assert time.monotonic() < deadline, "rapport serve does not answer"
            time.sleep(0.1)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _measure(name: str, seconds: float, target: int) -> dict[str, object]:
    value = round(EVENTS / seconds)
    return {"measure": name, "value": value, "unit": "events/s", "target": target, "ok": value >= target}
