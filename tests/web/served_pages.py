"""Airflow's real API server with Rapport's pages in it, and people of each role who are logged in."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from rapport.airflow_environment import METADATA_URL, airflow_environment
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings

PEOPLE = {"vera": "viewer", "mia": "user", "olga": "op", "ada": "admin"}
PASSWORD = "only-for-tests"
STARTS_WITHIN = 120
AIRFLOW = [sys.executable, "-m", "airflow"]
MIGRATED = "airflow_migrated"


@dataclass(frozen=True)
class Answer:
    """What a route answered."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


@dataclass(frozen=True)
class Pages:
    """The pages as somebody sees them. `url` is that of the warehouse behind them, `settings` their own."""

    address: str
    url: str
    settings: Settings
    password: str = field(default=PASSWORD, repr=False)
    _tokens: dict[str, str] = field(default_factory=dict, repr=False)
    _form_tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def get(self, path: str, who: str | None = None, **headers: str) -> Answer:
        """Ask for a page, as nobody or as one of `PEOPLE`."""
        return self.send("GET", path, who, **headers)

    def post(
        self,
        path: str,
        fields: dict[str, str],
        who: str | None = None,
        token: str | None = None,
        **headers: str,
    ) -> Answer:
        """Send a form, with the form token that was given to somebody, or with none."""
        sent = fields | ({"form_token": token} if token is not None else {})
        return self.send("POST", path, who, urllib.parse.urlencode(sent).encode(), **headers)

    def send(
        self, method: str, path: str, who: str | None = None, body: bytes | None = None, **headers: str
    ) -> Answer:
        request = urllib.request.Request(f"{self.address}{path}", body, method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if who is not None:
            request.add_header("Cookie", f"_token={self.token(who)}")
        return _answer(request)

    def form_token(self, who: str) -> str:
        """The token in the forms of a person's pages."""
        if who not in self._form_tokens:
            found = re.search(r'"X-Form-Token": "([^"]+)"', self.get("/rapport/", who).text)
            assert found is not None
            self._form_tokens[who] = found[1]
        return self._form_tokens[who]

    def token(self, who: str) -> str:
        """What the browser of somebody who is logged in keeps as the cookie `_token`."""
        if who not in self._tokens:
            body = json.dumps({"username": who, "password": self.password}).encode()
            request = urllib.request.Request(f"{self.address}/auth/token", data=body, method="POST")
            request.add_header("Content-Type", "application/json")
            self._tokens[who] = str(json.loads(_answer(request).text)["access_token"])
        return self._tokens[who]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def _answer(request: urllib.request.Request) -> Answer:
    try:
        with _OPENER.open(request, timeout=30) as response:
            return Answer(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, dict(error.headers), error.read())


def starting(postgres: EmbeddedPostgres, warehouse_url: str, home: Path) -> Iterator[Pages]:
    """Pages on a warehouse, from an API server that ends with the generator."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    settings = Settings(home, home / "config", warehouse_url, None, None, port=port)
    environment = _environment(postgres, settings)
    log = home / "api-server.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [*AIRFLOW, "api-server", "--workers", "1"], env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        served = Pages(f"http://127.0.0.1:{port}", warehouse_url, settings)
        _wait(served, server, log)
        yield served
    finally:
        _end(server)


def _environment(postgres: EmbeddedPostgres, settings: Settings) -> dict[str, str]:
    metadata = f"airflow_{secrets.token_hex(4)}"
    passwords = settings.home / "passwords.json"
    passwords.write_text(json.dumps(dict.fromkeys(PEOPLE, PASSWORD)))
    outer = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "LANG") if name in os.environ}
    outer[METADATA_URL] = postgres.url(metadata).replace("postgresql://", "postgresql+psycopg2://")
    environment = airflow_environment(settings, outer) | {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{name}:{role}" for name, role in PEOPLE.items()
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "RAPPORT_WAREHOUSE_URL": str(settings.warehouse_url),
    }
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        known = connection.execute("select from pg_database where datname = %s", [MIGRATED]).fetchone()
        if known is None:
            # A server's first one serves the others as their template: migrating takes 6 seconds.
            connection.execute(f"create database {metadata}")  # type: ignore[arg-type]
            subprocess.run([*AIRFLOW, "db", "migrate"], env=environment, check=True, capture_output=True)
            connection.execute(f"alter database {metadata} rename to {MIGRATED}")  # type: ignore[arg-type]
        connection.execute(f"create database {metadata} template {MIGRATED}")  # type: ignore[arg-type]
    return environment


def _wait(pages: Pages, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            if pages.get("/api/v2/version").status == 200:
                return
        except urllib.error.URLError:
            time.sleep(0.3)
    raise AssertionError(f"the API server did not start: {log.read_text()[-3000:]}")


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
