"""`rapport serve` as it is started: a process of its own, whose logs tell nothing."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from public_application import KEY, SENDER, Public
from webhook_signing import PUBLIC_KEY, signed

from rapport.settings import PROJECT

SENDER_FILE = "\n".join(f'{name}: "{value}"' for name, value in SENDER.model_dump().items())


@contextmanager
def served(environment: dict[str, str], log: Path) -> Iterator[httpx.Client]:
    """A client of the started process; its output goes to `log`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "rapport", "serve", f"--port={port}", "--log-level=debug"]
    outer = {name: value for name, value in os.environ.items() if not name.startswith("RAPPORT_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**outer, "PYTHONPATH": str(PROJECT / "plugins"), **environment},
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
                deadline = time.monotonic() + 60
                while True:
                    try:
                        assert client.get("/health").status_code == 200
                        break
                    except httpx.ConnectError:
                        assert process.poll() is None, log.read_text()
                        assert time.monotonic() < deadline
                        time.sleep(0.1)
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM)


def test_no_token_key_or_address_reaches_a_log_at_debug(public: Public, tmp_path: Path) -> None:
    (tmp_path / "sender.yml").write_text(SENDER_FILE)
    log = tmp_path / "log"
    environment = {
        "RAPPORT_HOME": str(tmp_path / "home"),
        "RAPPORT_CONFIG": str(tmp_path),
        "RAPPORT_PUBLIC_DATABASE_URL": public.url,
        "RAPPORT_RECIPIENT_KEY": KEY.secret.decode(),
        "RAPPORT_WEBHOOK_KEYS": PUBLIC_KEY,
    }
    body = b'[{"email": "anna@mail.example", "event": "bounce"}]'
    token = public.token()
    with served(environment, log) as client:
        assert client.post("/hooks/sendgrid", content=body, headers=signed(body)).status_code == 204
        assert client.post("/hooks/sendgrid", content=body).status_code == 403
        assert client.get(f"/u/{token}").status_code == 200
        assert client.get(f"/u/{token}/more?email=anna@mail.example").status_code == 404
        assert client.get(f"/anywhere/{token}").status_code == 404
        for form in ({"data": {"stop": "all"}}, {"files": {"List-Unsubscribe": (None, "One-Click")}}):
            answer = client.post(f"/u/{token}", headers={"X-Forwarded-For": "192.0.2.77"}, **form)
            assert answer.status_code == 200
        assert client.get(f"/u/{token[:-2]}").status_code == 404
    written = log.read_text()
    assert len(re.findall(r"rapport\.public\.access (GET|POST) /u/… (200|404) \d+ ms", written)) == 5
    secrets = (
        token[:20],
        token[-20:],
        "anna",
        KEY.key_of("anna@mail.example"),
        KEY.secret.decode(),
        "p%40ss",
    )
    for secret in (*secrets, "p@ss", "192.0.2.77"):
        assert secret not in written, secret
    assert not (tmp_path / "home").exists()
    assert public.suppressions() == [
        (KEY.key_of("anna@mail.example"), "all", "unsubscribed"),
        (KEY.key_of("anna@mail.example"), "news", "unsubscribed"),
    ]
