"""A web server on 127.0.0.1 with a certificate of its own, as the unsubscribe host."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from pathlib import Path

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


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
    certificate = _certificate(folder)
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


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, SHA256())
    )
    path = folder / "host.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    return path
