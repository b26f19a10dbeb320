"""Whether what only the live domain can show is in order: `rapport delivery doctor`."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from urllib.request import getproxies, proxy_bypass

import psycopg
import urllib3
from urllib3.util import Timeout, parse_url

from rapport.audiences.recipients import RecipientKey
from rapport.audiences.suppressions import LISTS
from rapport.delivery.configuration import Delivery, Sender
from rapport.delivery.domain_checks import Domains, domain_findings
from rapport.delivery.findings import Finding
from rapport.delivery.proof import account_of, asks_for_shape
from rapport.errors import ConfigurationError
from rapport.settings import Settings

CHECKS = (
    "spf", "dkim", "dmarc", "alignment", "reply_to",
    "unsubscribe_host", "webhook_key", "suppression_pull", "recipient_key", "probe",
)  # fmt: skip
ANSWERED_BY = 10.0  # seconds
PULL_AGE = timedelta(hours=26)


def diagnose(
    connection: psycopg.Connection,
    settings: Settings,
    delivery: Delivery,
    sender: Sender,
    now: datetime,
    *,
    domains: Domains | None = None,
    web: urllib3.PoolManager | None = None,
) -> list[Finding]:
    """Run every check of CHECKS, in that order, and keep the outcomes in activation.doctor_checks.

    No personal address and no token of anybody leaves this machine.

    Args:
        domains: the domain name system, this machine's unless told.
        web: the connections to the unsubscribe host, verified by this machine's certificates unless told.
    """
    findings = [
        *domain_findings(sender, delivery.transport, domains or Domains()),
        _unsubscribe_host(sender, web or _web(sender.unsubscribe_url)),
        _webhook_key(settings, delivery),
        _suppression_pull(connection, delivery, now),
        _recipient_key(connection, settings),
        _probe(connection, settings, delivery, sender, now),
    ]
    keep(connection, findings, now)
    return findings


def keep(connection: psycopg.Connection, findings: Sequence[Finding], now: datetime) -> None:
    """Keep the last outcome of each check; it says what to do, too."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into activation.doctor_checks (name, checked_at, is_ok, detail)
            values (%s, %s, %s, %s)
            on conflict (name) do update
            set checked_at = excluded.checked_at, is_ok = excluded.is_ok, detail = excluded.detail
            """,
            [
                (one.name, now, one.is_ok, "; ".join(filter(None, (one.detail, one.advice))))
                for one in findings
            ],
        )


def last_findings(connection: psycopg.Connection) -> Iterator[tuple[str, datetime | None, bool | None, str]]:
    """(name, when, outcome, detail) of each check in CHECKS; without a time where it never ran."""
    rows = {
        row[0]: row
        for row in connection.execute("select name, checked_at, is_ok, detail from activation.doctor_checks")
    }
    for name in CHECKS:
        yield rows.get(name) or (name, None, None, "`rapport delivery doctor` has not run yet")


def _unsubscribe_host(sender: Sender, web: urllib3.PoolManager) -> Finding:
    """Asked which methods it knows: that changes nothing and needs no token."""
    name, host = "unsubscribe_host", parse_url(sender.unsubscribe_url).host
    advice = "run `rapport serve` behind a web server that has the host's certificate"
    try:
        answer = web.request(
            "OPTIONS",
            f"{sender.unsubscribe_url.rstrip('/')}/doctor",
            timeout=Timeout(total=ANSWERED_BY),
            retries=False,
            redirect=False,
        )
    except urllib3.exceptions.HTTPError as error:
        return Finding(name, False, f"{host} does not answer over https ({type(error).__name__})", advice)
    if answer.status != 204 or "POST" not in answer.headers.get("Allow", ""):
        return Finding(name, False, f"{host} answers {answer.status}; `rapport serve` does not", advice)
    return Finding(name, True, f"{host} takes unsubscribe requests over https")


def _webhook_key(settings: Settings, delivery: Delivery) -> Finding:
    from rapport.public.webhook import WebhookKeys

    name = "webhook_key"
    if delivery.transport != "sendgrid":
        return Finding(name, None, f"transport {delivery.transport} sends no events")
    try:
        keys = len(WebhookKeys.parse(settings.webhook_keys).keys)
    except ConfigurationError as error:
        return Finding(name, False, str(error), "copy the key from SendGrid's Event Webhook settings")
    if not keys:
        return Finding(
            name, False, "no key verifies SendGrid's events, so none is taken", "set RAPPORT_WEBHOOK_KEYS"
        )
    return Finding(name, True, f"{keys} {'key verifies' if keys == 1 else 'keys verify'} SendGrid's events")


def _suppression_pull(connection: psycopg.Connection, delivery: Delivery, now: datetime) -> Finding:
    name, advice = "suppression_pull", "run `rapport suppressions pull`; it belongs into every day"
    if delivery.transport != "sendgrid":
        return Finding(name, None, f"transport {delivery.transport} has no lists")
    rows: dict[str, datetime] = dict(
        connection.execute(
            "select list, max(pulled_at) from activation.suppression_pulls group by list"
        ).fetchall()
    )
    if missing := [each for each in LISTS if each not in rows]:
        return Finding(name, False, f"never pulled: {', '.join(missing)}", advice)
    oldest = min(rows[each] for each in LISTS)
    hours = (now - oldest) / timedelta(hours=1)
    return Finding(
        name,
        now - oldest <= PULL_AGE,
        f"SendGrid's suppression lists were pulled {hours:.0f} hours ago",
        None if now - oldest <= PULL_AGE else advice,
    )


def _recipient_key(connection: psycopg.Connection, settings: Settings) -> Finding:
    """Looked up and not registered: that is what the first plan does."""
    name, key = "recipient_key", RecipientKey.from_settings(settings)
    known = connection.execute("select key_id, check_value from activation.recipient_keys").fetchall()
    if not known:
        return Finding(name, None, "no recipient has a key yet; the first plan registers it")
    if (key.key_id, key.check_value) not in known:
        return Finding(
            name,
            False,
            f"{key.origin} is not the key that the recipients were made with ({known[0][0]})",
            "put the former key back, else every withdrawal is forgotten",
        )
    return Finding(name, True, f"recipients were made with {key.key_id}")


def _probe(
    connection: psycopg.Connection, settings: Settings, delivery: Delivery, sender: Sender, now: datetime
) -> Finding:
    name, advice = "probe", "run `rapport delivery probe --to …` and hand back what arrived"
    if delivery.transport != "sendgrid" or not settings.sendgrid_api_key:
        return Finding(name, None, f"transport {delivery.transport} needs none")
    row = connection.execute(
        """
        select valid_until, faults from activation.probes
        where account = %s and sender = %s and (valid_until is not null or faults is not null)
        order by valid_until > %s desc nulls last, sent_at desc limit 1
        """,
        [account_of(settings.sendgrid_api_key), sender.address, now],
    ).fetchone()
    is_needed = asks_for_shape(delivery)
    if row is None:
        return Finding(name, False if is_needed else None, "no mail that arrived was looked at yet", advice)
    valid_until, faults = row
    if faults:
        return Finding(name, False, f"what arrived last had faults: {faults[0]}", advice)
    if valid_until <= now:
        return Finding(
            name, False if is_needed else None, f"proven until {valid_until:%Y-%m-%d} only", advice
        )
    return Finding(name, True, f"batched mails were proven to arrive whole, until {valid_until:%Y-%m-%d}")


def _web(address: str) -> urllib3.PoolManager:
    proxy = getproxies().get("https")
    if proxy and not proxy_bypass(parse_url(address).host or ""):
        return urllib3.ProxyManager(proxy)
    return urllib3.PoolManager()
