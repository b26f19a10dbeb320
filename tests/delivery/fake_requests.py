"""Requests to the fake SendGrid, and a plain client to send them with."""

from pathlib import Path
from typing import Any

import orjson
import urllib3

from rapport.delivery.fake_sendgrid import FakeSendGrid

OPENAPI = Path(__file__).parents[3] / "shared/data/sendgrid/tsg_mail_v3.json"
Body = dict[str, Any]


def mail(*addresses: str, **fields: Any) -> Body:
    """A request that SendGrid takes, with a personalization for each address."""
    return {
        "personalizations": [
            {
                "to": [{"email": address}],
                "custom_args": {"rapport_message": f"m{number}", "rapport_attempt": "7"},
                "headers": {"List-Unsubscribe": f"<https://shop.example/u/{number}>"},
                "substitutions": {"-name-": f"Anna {number}"},
            }
            for number, address in enumerate(addresses or ["anna@mail.example"])
        ],
        "from": {"email": "hello@shop.example", "name": "The shop"},
        "subject": "Hello",
        "content": [
            {"type": "text/plain", "value": "Hello -name-"},
            {"type": "text/html", "value": "<p>Hello -name-</p>"},
        ],
        **fields,
    }


class Client:
    """Asks without trying again; waits `patience` seconds for an answer."""

    def __init__(self, fake: FakeSendGrid) -> None:
        self.fake = fake
        self.patience = 20.0
        self.pool = urllib3.PoolManager(retries=False)

    def send(self, body: object, **headers: str) -> urllib3.BaseHTTPResponse:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.ask("POST", "/v3/mail/send", content, **headers)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        fields = {"Authorization": f"Bearer {self.fake.key}", "Content-Type": "application/json"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.pool.request(
            method, self.fake.url + path, body=body, headers=fields, timeout=self.patience
        )


def errors(answer: urllib3.BaseHTTPResponse) -> list[dict[str, str | None]]:
    found = answer.json()["errors"]
    assert all(set(error) == {"message", "field", "help"} for error in found)
    return found
