"""A web server on 127.0.0.1 with a certificate of its own, as the unsubscribe host."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import urllib3

from delivery.certificates import self_signed


@dataclass
class Host:
    """`url` of the server; `status` and `allow` are what it answers; `asked` what it was asked."""

    url: str
    certificate: Path
    status: int = 204
    allow: str = "GET, HEAD, POST, OPTIONS"
    asked: list[str] = field(default_factory=list)

    def trusted(self) -> urllib3.PoolManager:
        """Connections that trust this server."""
        return urllib3.PoolManager(ca_certs=str(self.certificate))


@contextmanager
def unsubscribe_host(folder: Path) -> Iterator[Host]:
    certificate = self_signed(folder)
    host: Host

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            host.asked.append(f"{self.command} {self.path}")
            self.send_response(host.status)
            self.send_header("Allow", host.allow)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    host = Host(f"https://127.0.0.1:{server.server_port}/u", certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
