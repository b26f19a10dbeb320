"""Consent belongs to an address: which of a customer's is mailed, and what never widens that."""

import pytest

from campaigns.small_shop import DAY, MONDAY, SmallShop


def has_address(shop: SmallShop, customer_id: str, email: str, days_ago: int) -> None:
    """Another address of a customer, last seen so many days ago."""
    run = shop.run()
    shop.execute(
        """
        insert into identity.customers values (%s, 'email', '', %s, 1, now(), %s) on conflict do nothing
        """,
        customer_id,
        f"first-{customer_id}",
        run.run_id,
    )
    shop.execute(
        """
        insert into identity.identifiers (
            kind, source, value, customer_id, first_batch_id, first_seen_at, last_seen_at, batch_first_seen_at
        )
        values ('email', '', %(email)s, %(customer)s, 1, %(at)s, %(at)s, %(at)s)
        """.replace("%(email)s", "%s")
        .replace("%(customer)s", "%s")
        .replace("%(at)s", "%s"),
        email,
        customer_id,
        *[MONDAY - days_ago * DAY] * 3,
    )


def consents(shop: SmallShop, email: str, is_granted: bool = True, channel: str = "email") -> None:
    shop.execute("insert into marts.consents values (%s, %s, 'news', %s)", email, channel, is_granted)


def mailed(shop: SmallShop) -> list[str]:
    return [
        row[0]
        for row in shop.execute(
            """
            select email from activation.messages inner join activation.recipients using (recipient_key)
            where state = 'planned' order by email
            """
        )
    ]


def test_the_best_address_that_holds_consent_itself_is_mailed(shop: SmallShop) -> None:
    shop.add("anna", "first@mail.example", topics=())
    for email, days_ago in (("old@mail.example", 9), ("newer@mail.example", 3), ("newest@mail.example", 1)):
        has_address(shop, "anna", email, days_ago)
    consents(shop, "old@mail.example")
    consents(shop, "newer@mail.example")
    consents(shop, "newest@mail.example", is_granted=False)
    shop.plan()
    assert mailed(shop) == ["newer@mail.example"]
    assert len(shop.messages()) == 1


def test_the_customers_own_address_comes_first(shop: SmallShop) -> None:
    shop.add("anna", "first@mail.example")
    has_address(shop, "anna", "other@mail.example", 0)
    consents(shop, "other@mail.example")
    shop.plan()
    assert mailed(shop) == ["first@mail.example"]


def test_an_address_that_never_consented_is_not_mailed_because_another_did(shop: SmallShop) -> None:
    """Anna consented; she is merged into Bert, whose address now is the customer's own."""
    shop.add("anna", "anna@mail.example")
    shop.add("bert", "bert@mail.example", topics=())
    run = shop.run()
    shop.leave("anna", "active")
    shop.merge("anna", "bert", run)
    has_address(shop, "bert", "anna@mail.example", 5)
    has_address(shop, "bert", "bert@mail.example", 0)
    shop.plan()
    assert mailed(shop) == ["anna@mail.example"]


def test_consent_to_another_channel_is_none(shop: SmallShop) -> None:
    shop.add("anna", "anna@mail.example", topics=("offers",))
    has_address(shop, "anna", "other@mail.example", 0)
    consents(shop, "anna@mail.example", channel="sms")
    consents(shop, "other@mail.example", channel="sms")
    shop.add("bert")
    shop.plan()
    assert shop.messages() == {"anna": ("skipped", "no_consent"), "bert": ("planned", None)}


def test_only_the_suppression_of_the_address_itself_counts(shop: SmallShop) -> None:
    """Anna's chosen address opted out: she gets nothing, at another address neither. Bert's other one did."""
    for name in ("anna", "bert"):
        shop.add(name, f"{name}@mail.example")
        has_address(shop, name, f"{name}-other@mail.example", 0)
        consents(shop, f"{name}-other@mail.example")
    shop.plan()
    shop.execute(
        """
        insert into activation.suppressions
        select recipient_key, 'news', 'unsubscribed', %s from activation.recipients
        where email in ('anna@mail.example', 'bert-other@mail.example')
        """,
        MONDAY,
    )
    shop.execute("delete from activation.messages")
    shop.plan(MONDAY + 7 * DAY)
    assert shop.messages() == {"anna": ("skipped", "suppressed"), "bert": ("planned", None)}
    assert mailed(shop) == ["bert@mail.example"]


@pytest.mark.parametrize(("topics", "planned"), [("{}", True), ("{news: {double_opt_in: true}}", False)])
def test_on_a_double_opt_in_topic_only_what_was_confirmed_counts(
    shop: SmallShop, topics: str, planned: bool
) -> None:
    shop.write("delivery.yml", f"topics: {topics}")
    shop.add("anna")
    shop.add("confirmed")
    shop.execute("update marts.consents set confirmed_at = %s where email like 'confirmed%%'", MONDAY)
    shop.plan()
    assert shop.messages()["confirmed"] == ("planned", None)
    assert shop.messages()["anna"] == (("planned", None) if planned else ("skipped", "no_consent"))


def test_a_consent_that_has_expired_is_none(shop: SmallShop) -> None:
    shop.add("expired")
    shop.add("lasts")
    shop.execute("update marts.consents set expires_at = %s where email like 'expired%%'", MONDAY)
    shop.execute("update marts.consents set expires_at = %s where email like 'lasts%%'", MONDAY + DAY)
    shop.plan()
    assert shop.messages() == {"expired": ("skipped", "no_consent"), "lasts": ("planned", None)}


def test_of_two_with_one_address_the_one_the_campaign_is_meant_for_gets_it(shop: SmallShop) -> None:
    text = (shop.settings.config / "campaigns" / "weekly.yml").read_text()
    shop.write("campaigns/weekly.yml", text.replace("[unhappy]", "[unhappy], not_bought_within: 10d"))
    shop.add("a_bought", "family@mail.example")
    shop.add("b_has_not", "family@mail.example")
    shop.execute("update marts.customers set last_order_at = %s where customer_id = 'a_bought'", MONDAY)
    shop.plan()
    assert shop.messages() == {"a_bought": ("skipped", "not_bought_within"), "b_has_not": ("planned", None)}
