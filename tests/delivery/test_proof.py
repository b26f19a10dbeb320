"""Many mails in a request only where that was proven; opens only of who consents to that."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from delivery.live_shop import LiveShop
from rapport import warehouse
from rapport.delivery.proof import account_of, delivery_notices, shape_is_proven
from rapport.settings import Settings

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def prove(live: LiveShop, **fields: str) -> None:
    row = {
        "account": "a",
        "sender": "hello@shop.example",
        "proven": "2026-06-01",
        "until": "2026-08-30",
    } | fields
    live.shop.execute(
        """
        insert into activation.probes (probe_id, account, sender, mails, proven_at, valid_until)
        values (gen_random_uuid(), %s, %s, '{}', %s, %s)
        """,
        *row.values(),
    )


@pytest.mark.parametrize(
    ("fields", "is_proven"),
    [
        ({}, True),
        ({"account": "b"}, False),
        ({"sender": "other@shop.example"}, False),
        ({"until": "2026-07-01"}, False),
        ({"proven": "2026-07-02"}, False),
    ],
)
def test_a_proof_is_of_an_account_a_sender_and_a_time(
    live: LiveShop, fields: dict[str, str], is_proven: bool
) -> None:
    prove(live, **fields)
    with warehouse.connect(live.shop.url) as connection:
        assert shape_is_proven(connection, "a", "hello@shop.example", NOW) == is_proven


def test_an_account_is_known_by_the_public_part_of_its_key_only() -> None:
    assert account_of("SG.one.secret") == account_of("SG.one.other")
    assert account_of("SG.one.secret") != account_of("SG.two.secret")
    assert "one" not in account_of("SG.one.secret")


def test_without_a_proof_each_mail_is_a_request_and_that_is_said_once(
    live: LiveShop, caplog: pytest.LogCaptureFixture
) -> None:
    live.configure(render="shape")
    live.shop.execute("update activation.probes set valid_until = now()")
    live.people(30)
    with caplog.at_level(logging.WARNING):
        assert live.send().accepted == 30
        live.send()
    assert len(live.outcomes()) == 30
    said = [record.message for record in caplog.records if "render: shape" in record.message]
    assert len(said) == 1


def test_status_says_it_until_it_is_proven(live: LiveShop) -> None:
    live.configure(render="shape")
    settings = Settings(**{**vars(live.shop.settings), "sendgrid_api_key": live.fake.key})
    now = datetime.now(UTC)
    assert delivery_notices(live.shop.url, settings, now) == []
    (notice,) = delivery_notices(live.shop.url, settings, now + timedelta(days=91))
    assert "each mail is a request of its own" in notice
    live.configure(render="single")
    assert delivery_notices(live.shop.url, settings, now + timedelta(days=91)) == []


def test_opens_are_seen_only_of_who_consents_to_that(live: LiveShop) -> None:
    live.configure(render="shape", more="topics: {seen: {double_opt_in: true}}")
    live.people(80)
    live.shop.execute(
        """
        insert into marts.consents (email, channel, topic, is_granted, confirmed_at, expires_at)
        select
            email, 'email', 'seen',
            number > 10,
            case when number > 20 then now() - interval '2 days' end,
            case when number between 21 and 30 then now() - interval '1 day' end
        from (select email, replace(customer_id, 'c', '')::int as number from marts.customers) as people
        """
    )
    live.shop.execute(
        """
        insert into activation.suppressions (recipient_key, topic, reason, suppressed_at)
        select recipient_key, 'seen', 'preferences', now()
        from activation.recipients where email = 'c80@mail.example'
        """
    )
    path = live.shop.settings.config / "delivery.yml"
    path.write_text(path.read_text().replace("render:", "open_tracking_topic: seen, render:"))
    assert live.send().accepted == 80
    seen = {mail.email for mail in live.fake.mails() if mail.tracks_opens}
    assert seen == {f"c{number}@mail.example" for number in range(31, 80)}
    assert len(live.outcomes()) == 2
