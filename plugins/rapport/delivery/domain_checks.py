"""What the domain name system says about the sender: SPF, DKIM, DMARC, alignment, where answers go."""

from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from rapport.delivery.configuration import Sender
from rapport.delivery.findings import Finding

PATIENCE = 3.0  # seconds for an answer of one server
LIFETIME = 9.0  # seconds for a question, all servers and attempts together
SENDGRID_SELECTORS = ("s1", "s2")
MOST_LOOKUPS = 10  # of an SPF record, RFC 7208


class _NoAnswer(Exception):
    """The domain name system could not be asked."""


class Domains:
    """The domain name system as the checks read it."""

    def __init__(self, resolver: dns.resolver.Resolver | None = None) -> None:
        """`resolver`: whom to ask; the servers that this machine is set up with, unless told."""
        self._resolver = resolver or dns.resolver.Resolver()
        self._resolver.timeout, self._resolver.lifetime = PATIENCE, LIFETIME

    def texts(self, name: str) -> list[str]:
        """The TXT records of a name, each as one text."""
        found = self._ask(name, "TXT")
        return [b"".join(record.strings).decode("utf-8", "replace") for record in found]

    def mail_servers(self, domain: str) -> list[str]:
        """The names that mail to the domain is handed to; without an MX record the domain itself."""
        servers = [str(record.exchange).rstrip(".") for record in self._ask(domain, "MX")]
        if servers:
            return [server for server in servers if server]
        return [domain] if self._ask(domain, "A") or self._ask(domain, "AAAA") else []

    def _ask(self, name: str, kind: str) -> list[Any]:
        try:
            return list(self._resolver.resolve(name, kind, search=False, raise_on_no_answer=False))
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise _NoAnswer(
                f"the name servers gave no answer about {name} ({type(error).__name__})"
            ) from None


def domain_findings(sender: Sender, transport: str, domains: Domains) -> Iterator[Finding]:
    """What is found about the sender's domain; `is_ok` is None where nobody answered."""
    domain = sender.address.rpartition("@")[2].lower()
    checks = {
        "spf": lambda: _spf(domain, transport, domains),
        "dkim": lambda: _dkim(domain, transport, domains),
        "dmarc": lambda: _dmarc(domain, domains),
        "alignment": lambda: _alignment(domain, transport, domains),
        "reply_to": lambda: _reply_to(sender, domains),
    }
    for name, check in checks.items():
        try:
            yield Finding(name, *check())
        except _NoAnswer as error:
            yield Finding(name, None, str(error), "run it again; is there a network?")


def _spf(domain: str, transport: str, domains: Domains) -> tuple[bool, str, str | None]:
    records = [text for text in domains.texts(domain) if text.lower().split(" ")[0] == "v=spf1"]
    if len(records) != 1:
        return (
            False,
            f"{domain} has {len(records)} SPF records",
            f"publish exactly one TXT record at {domain}, such as v=spf1 include:sendgrid.net ~all",
        )
    terms = [term.lower() for term in records[0].split()[1:]]
    if _allows_anybody(terms):
        return False, f"the SPF record of {domain} lets anybody send", "end it with ~all or -all"
    lookups = sum(
        term.lstrip("+-~?").partition(":")[0].partition("=")[0].partition("/")[0]
        in ("include", "a", "mx", "ptr", "exists", "redirect")
        for term in terms
    )
    if lookups > MOST_LOOKUPS:
        return (
            False,
            f"the SPF record of {domain} needs {lookups} look-ups",
            f"only {MOST_LOOKUPS} are followed",
        )
    return True, f"{domain}: {records[0]}", None


def _allows_anybody(terms: list[str]) -> bool:
    ends = [term for term in terms if term.lstrip("+-~?") == "all"]
    if not ends:
        return not any(term.startswith("redirect=") for term in terms)
    return not ends[0].startswith(("-", "~"))


def _dkim(domain: str, transport: str, domains: Domains) -> tuple[bool | None, str, str | None]:
    if transport != "sendgrid":
        return (
            None,
            f"the selector of transport {transport} is not known here",
            "ask who runs the mail server",
        )
    missing = [name for name in SENDGRID_SELECTORS if not _has_key(f"{name}._domainkey.{domain}", domains)]
    if missing:
        return (
            False,
            f"no key at {', '.join(f'{name}._domainkey.{domain}' for name in missing)}",
            f"authenticate {domain} in SendGrid (Settings, Sender Authentication) and publish its records",
        )
    return True, f"keys at {' and '.join(SENDGRID_SELECTORS)} of {domain}", None


def _dmarc(domain: str, domains: Domains) -> tuple[bool, str, str | None]:
    where, record = dmarc_record(domain, domains)
    advice = f"publish a TXT record at _dmarc.{domain}, at least v=DMARC1; p=none; rua=mailto:…"
    if record is None:
        return False, f"neither {domain} nor a domain above it has a DMARC record", advice
    policy = _tags(record).get("p", "").lower()
    if policy not in ("none", "quarantine", "reject"):
        return False, f"the DMARC record at _dmarc.{where} has no policy", advice
    return True, f"_dmarc.{where}: p={policy}", None


def _alignment(domain: str, transport: str, domains: Domains) -> tuple[bool | None, str, str | None]:
    """DMARC passes where the domain that signs is that of From (strict), or one within or above it."""
    if transport != "sendgrid":
        return None, f"who signs for transport {transport} is not known here", "look at a mail that arrived"
    _, record = dmarc_record(domain, domains)
    is_strict = record is not None and _tags(record).get("adkim", "r").lower() == "s"
    for signing in [domain] if is_strict else _domain_and_above(domain):
        if any(_has_key(f"{name}._domainkey.{signing}", domains) for name in SENDGRID_SELECTORS):
            return True, f"mails can be signed by {signing}, which From is aligned with", None
    return (
        False,
        f"nobody can sign for {domain}{' itself, which adkim=s asks for' if is_strict else ''}",
        f"authenticate {domain} in SendGrid; mails signed by sendgrid.net alone fail DMARC",
    )


def _reply_to(sender: Sender, domains: Domains) -> tuple[bool, str, str | None]:
    domain = sender.reply_to.rpartition("@")[2].lower()
    servers = domains.mail_servers(domain)
    if not servers:
        return False, f"{domain} takes no mail: answers would be lost", "mend reply_to in config/sender.yml"
    return True, f"answers go to {', '.join(sorted(servers)[:3])}", None


def dmarc_record(domain: str, domains: Domains) -> tuple[str, str | None]:
    """The DMARC record that holds for a domain, and where it is: its own, else that of a domain above."""
    for name in _domain_and_above(domain):
        for text in domains.texts(f"_dmarc.{name}"):
            if text.lower().replace(" ", "").startswith("v=dmarc1"):
                return name, text
    return domain, None


def _domain_and_above(domain: str) -> list[str]:
    labels = domain.split(".")
    return [".".join(labels[place:]) for place in range(len(labels) - 1)]


def _has_key(name: str, domains: Domains) -> bool:
    return any(_tags(text).get("p") for text in domains.texts(name))


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}
