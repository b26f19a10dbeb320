"""Mails to a colleague."""

import email
import email.policy
from email.message import EmailMessage

import pytest

from campaigns.small_shop import SmallShop
from rapport import warehouse
from rapport.audiences.recipients import RecipientKey
from rapport.campaigns.configuration import read_campaigns
from rapport.campaigns.trial import Trial, send_trial
from rapport.delivery.unsubscribe import UnsubscribeKeys, Unsubscription
from rapport.errors import ConfigurationError, InputError

TO = "mia@small.example"


def sent(shop: SmallShop) -> list[Trial]:
    (campaign,) = read_campaigns(shop.settings).good
    with warehouse.connect(shop.url) as connection:
        return send_trial(connection, shop.settings, campaign, to=TO, by="mia", customer="anna")


def mails(shop: SmallShop) -> list[EmailMessage]:
    files = (shop.settings.mailbox / "new").iterdir()
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]


def test_a_colleague_gets_what_a_customer_would_and_nothing_counts_it(shop: SmallShop) -> None:
    shop.add("anna", first_name="Anna")
    assert sent(shop) == [Trial("", "", "local", "accepted")]
    (mail,) = mails(shop)
    assert (mail["To"], mail["Subject"]) == (TO, "[Test] News for Anna")
    assert shop.execute("select count(*) from activation.messages") == [(0,)]
    assert shop.execute("select campaign, transport, sent_by, outcome from activation.test_sends") == [
        ("weekly", "local", "mia", "accepted")
    ]
    assert shop.plan()[0].planned == 1


def test_its_unsubscribe_link_is_that_of_the_colleague(shop: SmallShop) -> None:
    shop.add("anna")
    sent(shop)
    (mail,) = mails(shop)
    key = RecipientKey.from_settings(shop.settings)
    token = mail["List-Unsubscribe"].partition("/u/")[2].partition(">")[0]
    about = UnsubscribeKeys.from_settings(shop.settings, key).read(token)
    assert about == Unsubscription(key.key_of(TO), "news")
    for part in mail.iter_parts():
        assert f"https://small.example/u/{token}" in part.get_content()


def test_who_is_not_on_the_list_gets_no_real_mail(shop: SmallShop) -> None:
    shop.add("anna")
    shop.write("delivery.yml", "transport: sendgrid\nallow_recipients: [other.example]\n")
    with pytest.raises(InputError, match=r"lets only other.example get mail, not small.example"):
        sent(shop)


def test_a_transport_that_is_not_set_up_is_named(shop: SmallShop) -> None:
    shop.add("anna")
    shop.write("delivery.yml", "transport: sendgrid\n")
    with pytest.raises(ConfigurationError, match="SENDGRID_API_KEY"):
        sent(shop)
