"""From a sent mail to what it left behind: a SendGrid that copies, shuffles and mangles, and real sockets."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from public_application import SENDER
from running_application import running

from campaigns import small_shop
from delivery.live_shop import EACH_MINUTE, LiveShop
from rapport.audiences.recipients import RecipientKey
from rapport.delivery.fake_sendgrid import Behaviour, Disorder, FakeSendGrid
from rapport.delivery.unsubscribe import UnsubscribeKeys
from rapport.public.app import Site
from rapport.public.webhook import WebhookKeys
from rapport.settings import Settings

PEOPLE = 60
LIVELY = Behaviour(
    deferred=0.3, bounced=0.2, bounced_late=0.1, blocked=0.1, complained=0.1, unsubscribed=0.1, clicked=0.5
)
WILD = Disorder(
    copied=0.5, shuffled=True, without_sg_message_id=0.3, unknown_fields=0.3, category_as_text=0.5, batch=7
)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeSendGrid]:
    with FakeSendGrid() as fake:
        yield fake


@pytest.fixture
def live(warehouse_url: str, settings: Settings, fake: FakeSendGrid) -> LiveShop:
    fake.clear()
    live = LiveShop(small_shop.build(warehouse_url, settings), fake)
    live.configure()
    live.people(PEOPLE)
    live.send()
    assert live.states() == {"accepted": PEOPLE}
    return live


@pytest.fixture
def served(live: LiveShop, login: str) -> Iterator[httpx.Client]:
    key = RecipientKey.from_settings(live.shop.settings)
    site = Site(
        SENDER,
        {},
        UnsubscribeKeys.from_settings(live.shop.settings, key),
        WebhookKeys.parse([live.fake.public_key]),
    )
    with running(site, login) as client:
        yield client


def test_what_comes_back_is_what_happened(live: LiveShop, served: httpx.Client) -> None:
    """Whatever befell the events on their way, and however often they come."""
    names = ("processed", "deferred", "delivered", "click", "bounce", "spamreport", "unsubscribe")
    known = []
    for _ in range(2):
        emitted = live.fake.emit_events(
            *names, to=f"{served.base_url}/hooks/sendgrid", disorder=WILD, tries=2
        )
        assert set(emitted.answers) == {204}
        assert emitted.sent > emitted.events
        live.send()
        assert live.shop.execute("select * from activation.webhook_bodies") == []
        known.append(
            live.shop.execute(
                """
                select message_id, event, occurred_at, detail, class from activation.message_events
                order by message_id, event
                """
            )
        )
    kept = {"deferred", "delivered", "clicked", "bounced", "complained", "unsubscribed"}
    assert [row[1] for row in known[0]] == sorted(kept) * PEOPLE
    assert known[0] == known[1]
    assert live.shop.execute("select distinct state, delivery from activation.messages") == [
        ("accepted", "complained")
    ]


def test_who_is_on_sendgrids_lists_is_suppressed_and_nobody_else(
    live: LiveShop, served: httpx.Client
) -> None:
    """Also where events have lost our id."""
    hook = f"{served.base_url}/hooks/sendgrid"
    mangled = Disorder(copied=0.5, shuffled=True, without_custom_args=0.5)
    live.fake.emit_events(to=hook, behaviour=LIVELY, disorder=mangled)
    live.send()
    key = RecipientKey.from_settings(live.shop.settings)
    listed = set()
    for name in ("bounces", "spam_reports", "unsubscribes"):
        answer = httpx.get(
            f"{live.fake.url}/v3/suppression/{name}",
            headers={"Authorization": f"Bearer {live.fake.key}"},
            trust_env=False,
        )
        listed |= {key.key_of(entry["email"]) for entry in answer.json()}
    suppressed = {row[0] for row in live.shop.execute("select recipient_key from activation.suppressions")}
    assert suppressed == listed
    assert 0 < len(suppressed) < PEOPLE
    assert live.shop.execute("select count(*) > 0 from activation.stray_events") == [(True,)]


def test_the_links_of_a_sent_mail_work(live: LiveShop, served: httpx.Client) -> None:
    """The header that mailbox providers post to, and the link that people follow."""
    mail = live.fake.mails()[0]
    header = mail.headers["List-Unsubscribe"]
    (in_header,) = re.findall(r"<https://small\.example(/u/[^>]+)>", header)
    (in_mail,) = set(re.findall(r'href="https://small\.example(/u/[^"]+)"', mail.html or ""))
    assert in_header == in_mail
    assert "News" in served.get(in_mail).text
    for _ in range(2):
        assert served.post(in_header, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    key = RecipientKey.from_settings(live.shop.settings).key_of(mail.email)
    assert live.shop.execute("select recipient_key, topic, reason from activation.suppressions") == [
        (key, "news", "unsubscribed")
    ]
    events = live.shop.execute("select message_id::text, event, detail from activation.message_events")
    assert events == [(mail.message_id, "unsubscribed", "unsubscribed")]


def test_what_was_given_up_counts_for_the_last_mail_about_it(live: LiveShop, served: httpx.Client) -> None:
    """So that a campaign's figures have its unsubscribes: a link names no message."""
    live.shop.write("campaigns/offers.yml", EACH_MINUTE.replace("topic: news", "topic: offers"))
    live.shop.execute(
        "insert into marts.consents (email, channel, topic, is_granted) "
        "select email, 'email', 'offers', true from marts.customers"
    )
    live.shop.plan(datetime.now(UTC))
    live.send()
    (news, offers) = [mail for mail in live.fake.mails() if mail.email == "c1@mail.example"]
    (in_offers,) = set(re.findall(r'href="https://small\.example(/u/[^"]+)"', offers.html or ""))
    served.post(in_offers, data={"stop": "chosen", "topic": "news"})
    served.post(in_offers, data={"stop": "all"})
    events = live.shop.execute("select message_id::text, detail from activation.message_events order by 2")
    assert events == [(news.message_id, "preferences"), (offers.message_id, "unsubscribed")]
