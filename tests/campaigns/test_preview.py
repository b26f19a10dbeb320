"""Previews: for whom, of which mails, and what a template may do to the process that renders it."""

import time

import pytest

from campaigns.small_shop import WEEKLY, SmallShop
from rapport import warehouse
from rapport.campaigns.configuration import read_campaigns
from rapport.campaigns.preview import Preview, previews, render_apart
from rapport.delivery.configuration import read_sender
from rapport.delivery.rendering import Rendered
from rapport.errors import InputError

HELLO = '<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text><mj-text>{{{{ preheader }}}}</mj-text> \
<mj-text>{{{{ sender.postal_address }}}} \
<a href="{{{{ unsubscribe_url }}}}">x</a></mj-text></mj-column></mj-section></mj-body></mjml>'
SENDER = {"postal_address": "1 High Street"}


def seen(shop: SmallShop, customer: str | None = None) -> list[Preview]:
    (campaign,) = read_campaigns(shop.settings).good
    with warehouse.connect(shop.url) as connection:
        return previews(connection, campaign, read_sender(shop.settings), customer=customer)


def test_the_edge_cases_of_each_column_that_the_templates_use_are_shown(shop: SmallShop) -> None:
    shop.add("anna")
    shop.add("bob")
    shop.add("long")
    shop.execute("update marts.customers set first_name = 'Anna' where customer_id = 'anna'")
    shop.execute("update marts.customers set first_name = null where customer_id = 'bob'")
    shop.execute("update marts.customers set first_name = repeat('x', 300) where customer_id = 'long'")
    found = {preview.customer_id: preview for preview in seen(shop)}
    assert "no first_name" in found["bob"].label
    assert "longest first_name" in found["long"].label
    assert found["bob"].rendered is not None
    assert "Hello there" in found["bob"].rendered.text


def test_each_variant_is_shown_to_a_chosen_customer(shop: SmallShop) -> None:
    shop.add("anna")
    shop.write("campaigns/weekly.yml", WEEKLY + "variants: {a: {subject: One}, b: {subject: Two}}\n")
    assert [(p.variant, p.rendered and p.rendered.subject) for p in seen(shop, "anna@mail.example")] == [
        ("a", "One"),
        ("b", "Two"),
    ]


def test_a_customer_whom_nobody_knows_is_named(shop: SmallShop) -> None:
    with pytest.raises(InputError, match=r"there is no customer nobody@mail\.example"):
        seen(shop, "nobody@mail.example")


def test_an_empty_segment_asks_for_a_customer(shop: SmallShop) -> None:
    with pytest.raises(InputError, match="nobody is in active now; name a customer"):
        seen(shop)


def test_a_preview_unsubscribes_nobody(shop: SmallShop) -> None:
    shop.add("anna")
    (first, *_) = seen(shop)
    assert first.rendered is not None
    assert "https://small.example/u/" in first.rendered.text
    with warehouse.connect(shop.url) as connection:
        assert connection.execute("select count(*) from activation.recipients").fetchone() == (0,)


def test_what_does_not_render_says_why() -> None:
    context = {"customer": {"first_name": None}, "sender": SENDER, "unsubscribe_url": "https://a.example/u/1"}
    good, bad = render_apart(
        ("Hi", "p", HELLO.format("{{ customer.first_name }}")),
        [{**context, "customer": {"first_name": "A"}}, context],
    )
    assert isinstance(good, Rendered)
    assert isinstance(bad, str)
    assert "a field is empty for this person" in bad


def test_a_template_that_takes_too_long_is_ended_by_the_clock() -> None:
    many = list(range(200))
    source = HELLO.format(
        "{% for a in customer.many %}{% for b in customer.many %}"
        "{% if (a * b) in customer.many and (b * a) in customer.many %}{% endif %}{% endfor %}{% endfor %}"
    )
    context = {"customer": {"many": many}, "sender": SENDER, "unsubscribe_url": "https://a.example/u/1"}
    start = time.monotonic()
    outcomes = render_apart(("Hi", "p", source), [context] * 500, patience=2)
    assert set(outcomes) == {"the mail takes longer than 2 seconds to render"}
    assert time.monotonic() - start < 10
