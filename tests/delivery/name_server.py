"""A name server of the test's own on 127.0.0.1, and a resolver that asks nobody else."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

Zone = Mapping[tuple[str, str], list[str]]


@contextmanager
def name_server(zone: Zone) -> Iterator[dns.resolver.Resolver]:
    """Serve (name, type) → records; other names do not exist. The zone may change meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(server, zone), daemon=True)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = server.getsockname()[1]
        yield resolver
        server.sendto(b"end", server.getsockname())
        thread.join(timeout=5)


@contextmanager
def silent_resolver() -> Iterator[dns.resolver.Resolver]:
    """A resolver whose server takes questions and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = server.getsockname()[1]
        yield resolver


def _serve(server: socket.socket, zone: Zone) -> None:
    while True:
        wire, client = server.recvfrom(4096)
        if wire == b"end":
            return
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        alias = zone.get((name, "CNAME"))
        if alias:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", *alias))
            records = zone.get((alias[0].rstrip("."), kind), [])
            if records:
                answer.answer.append(dns.rrset.from_text(alias[0], 60, "IN", kind, *records))
        elif records := zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        elif not any(known == name for known, _ in zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        server.sendto(answer.to_wire(), client)
