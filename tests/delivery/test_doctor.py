"""What `rapport delivery doctor` finds about a live domain: asked of a name server and a web server here."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3
from typer.testing import CliRunner

from campaigns.small_shop import SmallShop
from delivery.name_server import name_server, silent_resolver
from delivery.shaped_mails import SENDER
from delivery.unsubscribe_host import Host, unsubscribe_host
from rapport import warehouse
from rapport.audiences.recipients import RecipientKey
from rapport.audiences.suppressions import LISTS
from rapport.delivery import doctor
from rapport.delivery.commands import delivery_app
from rapport.delivery.configuration import Delivery
from rapport.delivery.domain_checks import Domains, domain_findings
from rapport.delivery.findings import Finding
from rapport.delivery.proof import account_of
from rapport.settings import Settings

NOW = datetime(2026, 7, 1, tzinfo=UTC)
KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF"
    "9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
GOOD: dict[tuple[str, str], list[str]] = {
    ("shop.example", "TXT"): ['"v=spf1 include:sendgrid.net ~all"', '"google-site-verification=x"'],
    ("s1._domainkey.shop.example", "CNAME"): ["s1.domainkey.u1.sendgrid.net."],
    ("s1.domainkey.u1.sendgrid.net", "TXT"): ['"k=rsa; t=s; p=MIGf" "MA0G"'],
    ("s2._domainkey.shop.example", "TXT"): ['"k=rsa; t=s; p=MIGfMA0G"'],
    ("_dmarc.shop.example", "TXT"): ['"v=DMARC1; p=none; rua=mailto:d@shop.example"'],
    ("shop.example", "MX"): ["10 mx.shop.example."],
}
SENDGRID = Delivery(transport="sendgrid")
Zone = dict[tuple[str, str], list[str]]


def found(zone: Zone, transport: str = "sendgrid", sender: str = "hello@shop.example") -> dict[str, Finding]:
    with name_server(zone) as resolver:
        who = SENDER.model_copy(update={"address": sender})
        return {one.name: one for one in domain_findings(who, transport, Domains(resolver))}


def test_a_domain_in_order_has_no_finding_to_mend() -> None:
    findings = found(GOOD)
    assert list(findings) == ["spf", "dkim", "dmarc", "alignment", "reply_to"]
    assert all(one.is_ok and one.advice is None for one in findings.values()), findings


@pytest.mark.parametrize(
    ("name", "changes", "detail"),
    [
        ("spf", {("shop.example", "TXT"): ['"other"']}, "has 0 SPF records"),
        ("spf", {("shop.example", "TXT"): ['"v=spf1 ~all"', '"v=spf1 -all"']}, "has 2 SPF records"),
        ("spf", {("shop.example", "TXT"): ['"v=spf1 +all"']}, "lets anybody send"),
        ("spf", {("shop.example", "TXT"): ['"v=spf1 all"']}, "lets anybody send"),
        ("spf", {("shop.example", "TXT"): ['"v=spf1 include:a.example"']}, "lets anybody send"),
        (
            "spf",
            {
                ("shop.example", "TXT"): [
                    f'"v=spf1 {" ".join(f"include:{n}.example" for n in range(11))} -all"'
                ]
            },
            "needs 11 look-ups",
        ),
        ("dkim", {("s2._domainkey.shop.example", "TXT"): []}, "no key at s2._domainkey.shop.example"),
        ("dkim", {("s1.domainkey.u1.sendgrid.net", "TXT"): ['"k=rsa; p="']}, "no key at s1._domainkey"),
        ("dmarc", {("_dmarc.shop.example", "TXT"): []}, "has a DMARC record"),
        ("dmarc", {("_dmarc.shop.example", "TXT"): ['"v=DMARC1; rua=mailto:x"']}, "has no policy"),
        ("dmarc", {("_dmarc.shop.example", "TXT"): ['"v=DMARC1; p=maybe"']}, "has no policy"),
        (
            "alignment",
            {("s1._domainkey.shop.example", "CNAME"): [], ("s2._domainkey.shop.example", "TXT"): []},
            "nobody can sign",
        ),
        ("reply_to", {("shop.example", "MX"): ["0 ."]}, "takes no mail"),
        ("reply_to", {("shop.example", "MX"): []}, "takes no mail"),
    ],
)
def test_what_is_wrong_with_a_domain_is_named_with_what_to_do(name: str, changes: Zone, detail: str) -> None:
    finding = found({**GOOD, **changes})[name]
    assert finding.is_ok is False
    assert detail in finding.detail
    assert finding.advice


def test_every_policy_is_at_least_none() -> None:
    for policy in ("none", "quarantine", "reject"):
        zone = {**GOOD, ("_dmarc.shop.example", "TXT"): [f'"v=DMARC1; p={policy}"']}
        assert found(zone)["dmarc"].is_ok


def test_a_subdomain_is_covered_by_the_domain_above_unless_alignment_is_strict() -> None:
    findings = found(GOOD, sender="hello@news.shop.example")
    assert (findings["dmarc"].is_ok, findings["alignment"].is_ok, findings["dkim"].is_ok) == (
        True,
        True,
        False,
    )
    strict = {**GOOD, ("_dmarc.shop.example", "TXT"): ['"v=DMARC1; p=none; adkim=s"']}
    finding = found(strict, sender="hello@news.shop.example")["alignment"]
    assert finding.is_ok is False
    assert "adkim=s" in finding.detail


def test_answers_reach_a_domain_without_mx_by_its_address() -> None:
    zone = {key: value for key, value in GOOD.items() if key[1] != "MX"} | {
        ("shop.example", "A"): ["192.0.2.1"]
    }
    assert found(zone)["reply_to"].detail == "answers go to shop.example"


def test_silence_is_no_finding_and_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapport.delivery.domain_checks.PATIENCE", 0.05)
    monkeypatch.setattr("rapport.delivery.domain_checks.LIFETIME", 0.1)
    began = time.monotonic()
    with silent_resolver() as resolver:
        findings = list(domain_findings(SENDER, "sendgrid", Domains(resolver)))
    assert time.monotonic() - began < 3
    assert {finding.is_ok for finding in findings} == {None}
    assert all("gave no answer" in finding.detail for finding in findings)


def test_who_signs_for_another_transport_is_not_guessed() -> None:
    findings = found(GOOD, transport="smtp")
    assert {name: one.is_ok for name, one in findings.items()} == {
        "spf": True, "dkim": None, "dmarc": True, "alignment": None, "reply_to": True,
    }  # fmt: skip


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with unsubscribe_host(tmp_path) as host:
        yield host


def test_the_unsubscribe_host_is_asked_without_any_token(host: Host) -> None:
    sender = SENDER.model_copy(update={"unsubscribe_url": host.url})
    assert doctor._unsubscribe_host(sender, host.trusted()).is_ok
    assert host.asked == ["OPTIONS /u/doctor"]


@pytest.mark.parametrize(("status", "allow"), [(404, ""), (302, "POST"), (204, "GET"), (500, "POST")])
def test_another_web_server_is_not_taken_for_ours(host: Host, status: int, allow: str) -> None:
    host.status, host.allow = status, allow
    sender = SENDER.model_copy(update={"unsubscribe_url": host.url})
    finding = doctor._unsubscribe_host(sender, host.trusted())
    assert finding.is_ok is False
    assert "rapport serve" in str(finding.advice)


def test_a_certificate_that_nobody_trusts_is_no_https(host: Host) -> None:
    sender = SENDER.model_copy(update={"unsubscribe_url": host.url})
    finding = doctor._unsubscribe_host(sender, urllib3.PoolManager())
    assert finding.is_ok is False
    assert "SSLError" in finding.detail


def settings_of(shop: SmallShop, **fields: object) -> Settings:
    return replace(shop.settings, **{"sendgrid_api_key": "SG.id.secret", "webhook_keys": (KEY,)} | fields)  # type: ignore[arg-type]


def diagnosed(
    shop: SmallShop, settings: Settings, host: Host, delivery: Delivery = SENDGRID
) -> dict[str, Finding]:
    sender = SENDER.model_copy(update={"unsubscribe_url": host.url})
    with (
        name_server(GOOD) as resolver,
        warehouse.connect(shop.url, autocommit=True) as connection,
    ):
        findings = doctor.diagnose(
            connection, settings, delivery, sender, NOW, domains=Domains(resolver), web=host.trusted()
        )
    return {finding.name: finding for finding in findings}


def pulled(shop: SmallShop, hours: float, lists: tuple[str, ...] = LISTS) -> None:
    for name in lists:
        shop.execute(
            """
            insert into activation.suppression_pulls (list, pulled_at, until_time, entries, added)
            values (%s, %s, %s, 0, 0)
            """,
            name,
            NOW - timedelta(hours=hours),
            NOW,
        )


def register(shop: SmallShop) -> None:
    with warehouse.connect(shop.url) as connection:
        RecipientKey.from_settings(shop.settings).verify(connection)


def probed(shop: SmallShop, until: datetime | None, faults: list[str]) -> None:
    shop.execute(
        """
        insert into activation.probes (probe_id, account, sender, mails, proven_at, valid_until, faults)
        values (gen_random_uuid(), %s, %s, '{}', %s, %s, %s)
        """,
        account_of("SG.id.secret"),
        SENDER.address,
        NOW - timedelta(days=9) if until else None,
        until,
        json.dumps(faults),
    )


def test_all_that_is_in_order_is_kept_with_its_time(shop: SmallShop, host: Host) -> None:
    pulled(shop, hours=25)
    register(shop)
    probed(shop, NOW + timedelta(days=81), [])
    findings = diagnosed(shop, settings_of(shop), host)
    assert tuple(findings) == doctor.CHECKS
    assert {finding.is_ok for finding in findings.values()} == {True}, findings
    with warehouse.connect(shop.url) as connection:
        kept = list(doctor.last_findings(connection))
    assert [(name, checked_at, is_ok) for name, checked_at, is_ok, _ in kept] == [
        (name, NOW, True) for name in doctor.CHECKS
    ]


def test_what_is_missing_on_a_first_day_is_named(shop: SmallShop, host: Host) -> None:
    with warehouse.connect(shop.url) as connection:
        assert {row[1] for row in doctor.last_findings(connection)} == {None}
    findings = diagnosed(shop, settings_of(shop, webhook_keys=()), host)
    assert findings["webhook_key"].is_ok is False
    assert findings["suppression_pull"].is_ok is False
    assert findings["recipient_key"].is_ok is None
    assert findings["probe"].is_ok is None
    ((registered,),) = shop.execute("select count(*) from activation.recipient_keys")
    assert registered == 0
    with_shape = SENDGRID.model_copy(
        update={"sendgrid": SENDGRID.sendgrid.model_copy(update={"render": "shape"})}
    )
    assert diagnosed(shop, settings_of(shop), host, with_shape)["probe"].is_ok is False


def test_what_was_in_order_once_is_not_for_ever(shop: SmallShop, host: Host) -> None:
    pulled(shop, hours=27)
    register(shop)
    probed(shop, NOW, [])
    other = settings_of(shop, recipient_key="another key that is long enough", webhook_keys=("no key",))
    findings = diagnosed(shop, other, host)
    assert findings["suppression_pull"].is_ok is False
    assert findings["recipient_key"].is_ok is False
    assert findings["webhook_key"].is_ok is False
    assert "proven until 2026-07-01 only" in findings["probe"].detail
    probed(shop, None, ["mail 1: 2 tags were left in it"])
    shop.execute("delete from activation.probes where valid_until is not null")
    assert "tags were left" in diagnosed(shop, other, host)["probe"].detail


def test_one_list_that_was_not_pulled_is_enough(shop: SmallShop, host: Host) -> None:
    pulled(shop, hours=1, lists=LISTS[:-1])
    assert LISTS[-1] in diagnosed(shop, settings_of(shop), host)["suppression_pull"].detail


def test_the_command_prints_a_table_and_fails_where_something_is_to_be_mended(
    shop: SmallShop, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "RAPPORT_HOME": shop.settings.home, "RAPPORT_CONFIG": shop.settings.config,
        "RAPPORT_WAREHOUSE_URL": shop.url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    with name_server({}) as resolver:
        monkeypatch.setattr(doctor, "Domains", lambda: Domains(resolver))
        monkeypatch.setattr(doctor, "_web", lambda address: host.trusted())
        shown = CliRunner().invoke(delivery_app, ["doctor"])
        as_json = CliRunner().invoke(delivery_app, ["doctor", "--json"])
    assert shown.exit_code == as_json.exit_code == 1
    assert "MEND  spf" in shown.output
    assert "→ publish exactly one TXT record" in shown.output
    assert [finding["name"] for finding in json.loads(as_json.output)] == list(doctor.CHECKS)
