"""Suppressions: taken over from elsewhere, counted without addresses, lifted by a later confirmation only."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from campaigns import small_shop
from campaigns.small_shop import DAY, MONDAY, SmallShop
from delivery.live_shop import LiveShop
from rapport import warehouse
from rapport.audiences.opt_outs import import_opt_outs
from rapport.audiences.recipients import RecipientKey
from rapport.audiences.suppressions import LISTS, first_pull_done, pull, suppress, suppression_counts
from rapport.delivery.fake_sendgrid import FakeSendGrid, Fault
from rapport.delivery.outbox import send_due
from rapport.delivery.suppression_lists import pull_from_sendgrid
from rapport.errors import (
    ConfigurationError,
    InputError,
    RecipientKeyChanged,
    SourceRefused,
    SourceUnavailable,
)
from rapport.settings import Settings

KEY = RecipientKey(b"0123456789abcdef0123456789abcdef", "RAPPORT_RECIPIENT_KEY")
OTHER = RecipientKey(b"f" * 32, "RAPPORT_RECIPIENT_KEY")
NOON = datetime(2026, 6, 29, 12, tzinfo=UTC)


@pytest.fixture
def connection(warehouse_url: str) -> Iterator[psycopg.Connection]:
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        KEY.verify(connection)
        yield connection


def rows(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    """(key, topic, reason, time, detail)"""
    return connection.execute(
        """
        select recipient_key, topic, reason, suppressed_at, detail from activation.suppressions
        order by topic, suppressed_at, recipient_key
        """
    ).fetchall()


def written(folder: Path, text: str) -> Path:
    file = folder / "opt_outs.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_old_tools_opt_outs_are_taken_over_once(connection: psycopg.Connection, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "Address,Topic,Time,Reason,Other\n"
        "Anna@Mail.example,news,2025-03-01,too many,x\n"
        "bert@mail.example,,,,\n"
        "bert@mail.example,,,,\n"
        "cleo@mail.example,offers,2025-03-01T10:00:00+02:00,,\n",
    )
    done = import_opt_outs(connection, KEY, file, NOON)
    assert (done.rows, done.added, done.wrong) == (4, 3, [])
    expected = [
        (KEY.key_of("bert@mail.example"), "all", "imported", NOON, None),
        (KEY.key_of("anna@mail.example"), "news", "imported", datetime(2025, 3, 1, tzinfo=UTC), "too many"),
        (KEY.key_of("cleo@mail.example"), "offers", "imported", datetime(2025, 3, 1, 8, tzinfo=UTC), None),
    ]
    assert rows(connection) == expected
    assert import_opt_outs(connection, KEY, file, NOON + DAY).added == 0
    assert rows(connection) == expected


def test_wrong_rows_are_named_by_line_and_the_others_taken(
    connection: psycopg.Connection, tmp_path: Path
) -> None:
    file = written(
        tmp_path,
        "email;time\n"
        "anna@mail.example;\n"
        "anna at home;\n"
        "\n"
        "bert@mail.example;soon\n"
        "cleo@mail.example;2031-01-01\n"
        ";2025-01-01\n"
        "dora@mail.example;2025-01-01\n",
    )
    done = import_opt_outs(connection, KEY, file, NOON)
    assert (done.rows, done.added) == (6, 2)
    assert done.wrong == [
        "opt_outs.csv, line 3: there is no e-mail address",
        "opt_outs.csv, line 5: the time is none; it looks like 2026-07-01 or 2026-07-01T06:00:00Z",
        "opt_outs.csv, line 6: the time lies in the future",
        "opt_outs.csv, line 7: there is no e-mail address",
    ]


def test_what_is_no_list_of_addresses_is_refused(connection: psycopg.Connection, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no column called address; is it adress\?"):
        import_opt_outs(connection, KEY, written(tmp_path, "adress\nanna@mail.example\n"), NOON)
    with pytest.raises(InputError, match="has no column called address; it has none"):
        import_opt_outs(connection, KEY, written(tmp_path, ""), NOON)
    with pytest.raises(InputError, match="is not there"):
        import_opt_outs(connection, KEY, tmp_path / "gone.csv", NOON)
    (tmp_path / "latin.csv").write_bytes("address\njörg@mail.example\n".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8 text"):
        import_opt_outs(connection, KEY, tmp_path / "latin.csv", NOON)
    assert rows(connection) == []


def test_suppressions_are_counted_without_addresses(connection: psycopg.Connection) -> None:
    for name, reason in (("anna", "bounced"), ("anna", "unsubscribed"), ("bert", "bounced")):
        assert suppress(connection, KEY.key_of(f"{name}@mail.example"), "all", reason, NOON)
        assert not suppress(connection, KEY.key_of(f"{name}@mail.example"), "all", reason, NOON)
    assert suppression_counts(connection) == [("all", "bounced", 2), ("all", "unsubscribed", 1)]


@pytest.fixture
def shop(warehouse_url: str, settings: Settings) -> SmallShop:
    shop = small_shop.build(warehouse_url, settings)
    shop.write("campaigns/weekly.yml", small_shop.WEEKLY)
    return shop


LIFTED = [
    # topic of the opt-out, what the consent says since, whether mail about news is planned
    ("news", "is_granted = true", False),
    ("all", "is_granted = true, granted_at = '2026-06-20'", False),
    ("all", "confirmed_at = '2026-06-01'", False),
    ("all", "confirmed_at = '2026-06-10'", False),
    ("all", "confirmed_at = '2026-06-20'", True),
    ("news", "confirmed_at = '2026-06-20'", True),
    ("offers", "is_granted = true", True),
]


def test_checklist_7_only_a_consent_confirmed_later_lifts_a_suppression(
    shop: SmallShop, tmp_path: Path
) -> None:
    """Never a re-import of consents that say granted."""
    lines = ["address,topic,time"]
    for number, (topic, consent, _) in enumerate(LIFTED):
        shop.add(f"p{number}")
        lines.append(f"p{number}@mail.example,{topic},2026-06-10")
        shop.execute(f"update marts.consents set {consent} where email = 'p{number}@mail.example'")
    key = RecipientKey.from_settings(shop.settings)
    with warehouse.connect(shop.url, autocommit=True) as connection:
        import_opt_outs(connection, key, written(tmp_path, "\n".join(lines)), MONDAY)
    shop.plan()
    assert shop.messages() == {
        f"p{number}": ("planned", None) if is_lifted else ("skipped", "suppressed")
        for number, (_, _, is_lifted) in enumerate(LIFTED)
    }


def test_checklist_7_an_import_again_does_not_undo_a_consent_confirmed_since(
    shop: SmallShop, tmp_path: Path
) -> None:
    shop.add("anna")
    key = RecipientKey.from_settings(shop.settings)
    file = written(tmp_path, "address\nanna@mail.example\n")
    with warehouse.connect(shop.url, autocommit=True) as connection:
        import_opt_outs(connection, key, file, MONDAY - 9 * DAY)
        connection.execute("update marts.consents set confirmed_at = %s", [MONDAY - 8 * DAY])
        assert import_opt_outs(connection, key, file, MONDAY - 7 * DAY).added == 0
    shop.plan()
    assert shop.messages() == {"anna": ("planned", None)}


def test_checklist_5_who_unsubscribes_before_the_claim_gets_nothing(shop: SmallShop) -> None:
    """Through the same function as the link in a mail."""
    shop.add("anna")
    shop.add("bert")
    shop.plan()
    key = RecipientKey.from_settings(shop.settings).key_of("anna@mail.example")
    shop.execute("select public_pages.withdraw(%s, '{news}', 'unsubscribed')", key)
    send_due(shop.url, shop.settings, now=MONDAY)
    assert shop.messages() == {"anna": ("skipped", "suppressed"), "bert": ("accepted", None)}


def test_checklist_12_a_topic_that_was_given_up_counts_at_the_next_claim(shop: SmallShop) -> None:
    shop.add("anna")
    shop.add("bert")
    shop.plan()
    key = RecipientKey.from_settings(shop.settings)
    shop.execute(
        "select public_pages.withdraw(%s, '{offers}', 'preferences')", key.key_of("anna@mail.example")
    )
    shop.execute("select public_pages.withdraw(%s, '{all}', 'preferences')", key.key_of("bert@mail.example"))
    send_due(shop.url, shop.settings, now=MONDAY)
    assert shop.messages() == {"anna": ("accepted", None), "bert": ("skipped", "suppressed")}


def test_with_another_key_nothing_is_planned_sent_imported_or_pulled(shop: SmallShop, tmp_path: Path) -> None:
    """Else every opt-out would be forgotten."""
    shop.add("anna")
    shop.plan()
    (shop.settings.home / "secrets" / "recipient_key").write_text("f" * 64)
    with pytest.raises(RecipientKeyChanged):
        shop.plan(MONDAY + 7 * DAY)
    with pytest.raises(RecipientKeyChanged):
        send_due(shop.url, shop.settings, now=MONDAY)
    with warehouse.connect(shop.url, autocommit=True) as connection:
        with pytest.raises(RecipientKeyChanged):
            import_opt_outs(connection, OTHER, written(tmp_path, "address\na@b.example\n"), NOON)
        with pytest.raises(RecipientKeyChanged):
            pull(connection, OTHER, lambda path, query: [], NOON)
    assert shop.messages() == {"anna": ("planned", None)}


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeSendGrid]:
    with FakeSendGrid() as fake:
        yield fake


@pytest.fixture
def sendgrid(fake: FakeSendGrid, settings: Settings) -> Settings:
    fake.clear()
    (settings.config / "delivery.yml").write_text(f"transport: sendgrid\nsendgrid: {{host: '{fake.url}'}}\n")
    return Settings(**{**vars(settings), "sendgrid_api_key": fake.key})


def test_checklist_6_sendgrids_lists_suppress(
    connection: psycopg.Connection, fake: FakeSendGrid, sendgrid: Settings
) -> None:
    """What webhooks lost: bounces, complaints, unsubscribes and invalid addresses, but not blocks."""
    created = int((NOON - timedelta(days=400)).timestamp())
    for name in (*LISTS, "blocks"):
        fake.suppress(name, f"{name}@mail.example", created)
    assert not first_pull_done(connection)
    pulled = pull_from_sendgrid(connection, KEY, sendgrid, NOON)
    assert [(each.list, each.entries, each.added) for each in pulled] == [(name, 1, 1) for name in LISTS]
    assert first_pull_done(connection)
    assert sorted(rows(connection)) == sorted(
        (KEY.key_of(f"{name}@mail.example"), "all", "provider", NOON - timedelta(days=400), name)
        for name in LISTS
    )


def test_a_later_pull_asks_for_what_is_new_and_a_day_more(
    connection: psycopg.Connection, fake: FakeSendGrid, sendgrid: Settings
) -> None:
    for days in (40, 10):
        fake.suppress("bounces", f"b{days}@mail.example", int((NOON - timedelta(days=days)).timestamp()))
    pull_from_sendgrid(connection, KEY, sendgrid, NOON - timedelta(days=20))
    assert len(rows(connection)) == 1
    (bounces, *_) = pull_from_sendgrid(connection, KEY, sendgrid, NOON)
    assert (bounces.entries, bounces.added) == (1, 1)
    (bounces, *_) = pull_from_sendgrid(connection, KEY, sendgrid, NOON + DAY)
    assert (bounces.entries, bounces.added) == (0, 0)
    assert len(rows(connection)) == 2


def test_long_lists_come_in_pages(connection: psycopg.Connection) -> None:
    entries = [
        {"email": f"a{number}@mail.example", "created": 1_700_000_000 + number} for number in range(1250)
    ]
    asked = []

    def read(path: str, query: object) -> list[dict[str, object]]:
        assert isinstance(query, dict)
        asked.append((path, query["offset"]))
        return entries[query["offset"] :][: query["limit"]] if path == "suppression/bounces" else []

    assert [each.added for each in pull(connection, KEY, read, NOON)] == [1250, 0, 0, 0]
    assert asked[:4] == [
        ("suppression/bounces", 0),
        ("suppression/bounces", 500),
        ("suppression/bounces", 1000),
        ("suppression/spam_reports", 0),
    ]


def test_a_pull_that_fails_is_no_first_pull(
    connection: psycopg.Connection, fake: FakeSendGrid, sendgrid: Settings
) -> None:
    with pytest.raises(ConfigurationError, match="SENDGRID_API_KEY is not set"):
        pull_from_sendgrid(connection, KEY, Settings(**{**vars(sendgrid), "sendgrid_api_key": None}), NOON)
    with pytest.raises(SourceRefused, match=r"its list bounces \(401\); SENDGRID_API_KEY needs the scope"):
        pull_from_sendgrid(connection, KEY, Settings(**{**vars(sendgrid), "sendgrid_api_key": "SG.x"}), NOON)
    fake.set_faults(Fault("proxy_page", status=503, path="/v3/suppression/.*"))
    with pytest.raises(SourceUnavailable, match="SendGrid answered 503 about its list bounces"):
        pull_from_sendgrid(connection, KEY, sendgrid, NOON)
    fake.set_faults(Fault("proxy_page", status=503, path="/v3/suppression/invalid_emails"))
    with pytest.raises(SourceUnavailable, match="SendGrid answered 503 about its list invalid_emails"):
        pull_from_sendgrid(connection, KEY, sendgrid, NOON)
    (sendgrid.config / "delivery.yml").write_text("sendgrid: {host: 'http://127.0.0.1:9'}\n")
    with pytest.raises(SourceUnavailable, match="SendGrid does not answer about its list bounces"):
        pull_from_sendgrid(connection, KEY, sendgrid, NOON)
    assert not first_pull_done(connection)


@pytest.fixture
def live(shop: SmallShop, fake: FakeSendGrid) -> LiveShop:
    """A shop that sends today, and has not asked for SendGrid's lists."""
    fake.clear()
    live = LiveShop(shop, fake)
    live.configure()
    live.people(3)
    shop.execute("delete from activation.suppression_pulls")
    return live


def test_the_first_pull_precedes_the_first_real_mail(live: LiveShop) -> None:
    live.fake.suppress("spam_reports", "C1@mail.example", 1_700_000_000)
    live.send()
    assert live.shop.messages() == {
        "c1": ("skipped", "suppressed"),
        "c2": ("accepted", None),
        "c3": ("accepted", None),
    }
    assert sorted(accepted.email for accepted in live.fake.log()) == ["c2@mail.example", "c3@mail.example"]


def test_where_it_fails_nothing_is_sent(live: LiveShop) -> None:
    live.fake.set_faults(Fault("proxy_page", status=502, path="/v3/suppression/.*"))
    with pytest.raises(SourceUnavailable, match="SendGrid answered 502 about its list bounces"):
        live.send()
    assert live.states() == {"planned": 3}


def test_no_key_or_address_reaches_a_log(
    connection: psycopg.Connection,
    fake: FakeSendGrid,
    sendgrid: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    fake.suppress("bounces", "anna@mail.example")
    pull_from_sendgrid(connection, KEY, sendgrid, datetime.now(UTC))
    import_opt_outs(connection, KEY, written(tmp_path, "address\nanna@mail.example\nwrong\n"), NOON)
    assert fake.key not in caplog.text
    assert "@mail.example" not in caplog.text
    assert KEY.secret.decode() not in caplog.text
