"""What holds an edition, and what only skips a person."""

from datetime import timedelta

import pytest

from campaigns.small_shop import DAY, MONDAY, TEMPLATE, WEEKLY, SmallShop
from campaigns.test_arms import crowd
from rapport.campaigns.bare_fields import bare_fields
from rapport.campaigns.links import link_fault

HELLO = "Hello {{ customer.first_name or 'there' }}"


def letter(shop: SmallShop, text: str) -> None:
    shop.write("templates/letter.mjml", TEMPLATE.replace(HELLO, text))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{{ customer.city }} {{ member['days'] }}", {("customer", "city"), ("member", "days")}),
        ("{{ customer.city or 'there' }} {{ customer.city | default('x') }}", set()),
        ("{{ customer.city or customer.country }}", {("customer", "country")}),
        (
            "{{ customer.city | upper }} {{ customer.order_count + 1 }}",
            {("customer", "city"), ("customer", "order_count")},
        ),
        ("{% if customer.vip %}{{ customer.city }}{% endif %}", set()),
        ("{{ customer.city if customer.city else 'there' }}", set()),
        ("{% for item in member.cart %}{{ item.name }}{% endfor %}", {("member", "cart")}),
        ("{{ sender.name }} {{ other.city }}", set()),
    ],
)
def test_fields_that_everybody_needs(source: str, found: set[tuple[str, str]]) -> None:
    assert bare_fields(source) == found


def test_a_field_that_many_lack_holds_and_one_that_few_lack_skips_them(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapport.campaigns.gate.SAMPLE", 2)
    letter(shop, "{{ customer.favourite_category }}")
    crowd(shop, 30)
    shop.execute("update marts.customers set favourite_category = 'tea'")
    shop.execute("update marts.customers set favourite_category = null where customer_id < 'p0006'")
    (edition,) = shop.plan()
    assert (edition.state, edition.planned, edition.skipped) == ("approved", 25, {"render_error": 5})
    assert shop.execute("select * from activation.edition_counts") == [
        (edition.edition_id, "render_error", 5)
    ]
    shop.execute("update marts.customers set favourite_category = null where customer_id < 'p0007'")
    (edition,) = shop.plan(MONDAY + 7 * DAY)
    assert edition.state == "held"
    assert edition.state_reason == (
        "template_error: customer.favourite_category is empty for 6 of 30 and has no fallback; "
        "write one, like {{ customer.favourite_category or 'there' }}"
    )


def test_a_mail_that_does_not_render_skips_its_reader_only(shop: SmallShop) -> None:
    letter(shop, "{% if customer.order_count > 3 %}{{ customer.country }}{% else %}hello{% endif %}")
    for name in ("anna", "bert"):
        shop.add(name)
    shop.execute("update marts.customers set order_count = 9 where customer_id = 'bert'")
    (edition,) = shop.plan()
    assert (edition.state, edition.planned, edition.skipped) == ("approved", 1, {"render_error": 1})
    assert shop.messages()["bert"] == ("skipped", "render_error")


def test_each_variant_is_rendered(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "variants: {a: {}, b: {template: broken.mjml}}\n")
    shop.write(
        "templates/broken.mjml",
        TEMPLATE.replace(HELLO, "{% if customer.order_count %}{{ customer.country }}{% endif %}"),
    )
    for number in range(20):
        shop.add(f"p{number}")
    (edition,) = shop.plan()
    assert edition.state == "held"
    assert edition.state_reason is not None
    assert "mails do not render: a field is empty" in edition.state_reason


def test_the_longest_and_the_emptiest_records_are_among_those_rendered(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapport.campaigns.gate.SAMPLE", 4)
    monkeypatch.setattr("rapport.campaigns.gate.EXTREMES", 1)
    letter(
        shop, "{% if customer.order_count == 77 %}{{ customer.country }}{{ customer.last_name }}{% endif %}"
    )
    crowd(shop, 50)
    shop.execute("update marts.customers set first_name = 'Al', last_name = 'Ba', country = 'DE'")
    shop.execute(
        "update marts.customers set first_name = null, country = null, order_count = 77"
        " where customer_id = 'p0031'"
    )
    (edition,) = shop.plan()
    assert edition.skipped == {"render_error": 1}
    shop.execute(
        "update marts.customers set country = null, order_count = 77, first_name = repeat('Al', 60)"
        " where customer_id = 'p0017'"
    )
    (edition,) = shop.plan(MONDAY + 7 * DAY)
    assert edition.skipped == {"render_error": 2}


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("https://shop.example/a?b=1&amp;c=%20#d", None),
        ("mailto:hello@shop.example", None),
        ("tel:+4940123", None),
        ("", "it is empty"),
        ("http://shop.example/", "it begins with http, not with https"),
        ("javascript:alert(1)", "it begins with javascript, not with https"),
        ("/cart", "it begins with no scheme, not with https"),
        ("https:///cart", "it names no host"),
        ("https://localhost/cart", "it names no host"),
        ("https://[::1/cart", "it is no URL"),
        (
            "https://shop.example/my cart",
            "the address at shop.example holds a character that no URL may hold",
        ),
        (
            "https://shop.example/{{ x }}",
            "the address at shop.example holds a character that no URL may hold",
        ),
        ("mailto:", "mailto: names nobody"),
    ],
)
def test_links_are_judged_by_their_form(link: str, fault: str | None) -> None:
    assert link_fault(f'<p><a class="x" href="{link}">go</a></p>', set()) == fault


def test_a_link_that_leads_nowhere_holds(shop: SmallShop) -> None:
    letter(shop, '<a href="https://localhost/cart">Cart</a>')
    shop.add("anna")
    (edition,) = shop.plan()
    assert edition.state_reason == (
        "template_error: 1 of 1 mails have a link that leads nowhere: it names no host"
    )


def editions_of(shop: SmallShop, sizes: list[int]) -> None:
    """So many weeks of editions, newest last, as plans of those sizes."""
    run = shop.run()
    for weeks, size in enumerate(reversed(sizes), 1):
        shop.execute(
            """
            insert into activation.editions (
                edition_id, campaign, slot_at, due_at, run_id, state, edition_hash, specification, plan
            )
            values (
                %s, 'weekly', %s, %s, %s, 'done', 'h', '{}',
                jsonb_build_object('planned', %s::int - 10, 'holdout', 10)
            )
            """,
            f"weekly/{weeks}",
            *[MONDAY - weeks * 7 * DAY] * 2,
            run.run_id,
            size,
        )


@pytest.mark.parametrize(
    ("before", "people", "holds"),
    [
        ([500] * 4, 240, True),
        ([500] * 4, 260, False),
        ([500] * 4, 190, False),  # small audiences may change as they like
        ([190] * 4, 400, False),
        ([210] * 4, 400, True),
        ([500] * 3, 240, False),  # too few editions to know
        ([50, 500, 500, 500, 500], 240, True),
    ],
)
def test_an_audience_unlike_the_last_four_holds(
    shop: SmallShop, before: list[int], people: int, holds: bool
) -> None:
    editions_of(shop, before)
    crowd(shop, people)
    (edition,) = shop.plan()
    assert (edition.state == "held") == holds
    if holds:
        usual = 500 if 500 in before else 210
        assert (
            edition.state_reason == f"drift: {people} people, and the last 4 editions had {usual} on average"
        )


def test_who_is_held_out_counts_for_the_size_of_an_audience(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.55\n")
    editions_of(shop, [500] * 4)
    crowd(shop, 500)
    (edition,) = shop.plan()
    assert edition.state == "approved"
    assert 200 < edition.planned < 250  # which alone would be unusual


@pytest.mark.parametrize(
    ("transport", "minutes_ago", "event_minutes_ago", "holds"),
    [
        ("sendgrid", 31, None, True),
        ("sendgrid", 29, None, False),
        ("sendgrid", 31, 30, False),
        ("sendgrid", 31, 40, True),
        ("local", 31, None, False),
    ],
)
def test_a_silent_webhook_holds(
    shop: SmallShop, transport: str, minutes_ago: int, event_minutes_ago: int | None, holds: bool
) -> None:
    shop.add("anna")
    shop.plan(MONDAY - 7 * DAY)
    shop.execute(
        """
        insert into activation.attempts (edition_id, transport, messages, ended_at, outcome)
        select edition_id, 'sendgrid', 1, now() - make_interval(mins => %s), 'accepted'
        from activation.editions
        """,
        minutes_ago,
    )
    if event_minutes_ago is not None:
        shop.execute(
            """
            insert into activation.message_events (message_id, event, occurred_at, recorded_at)
            select message_id, 'delivered', now(), now() - make_interval(mins => %s) from activation.messages
            """,
            event_minutes_ago,
        )
    shop.write("delivery.yml", f"transport: {transport}")
    (edition,) = shop.plan()
    assert (edition.state == "held") == holds
    if holds:
        assert str(edition.state_reason).startswith(
            "silent_webhook: SendGrid accepted mails more than 30 minutes"
        )


def test_a_webhook_whose_events_are_not_drained_yet_is_not_silent(shop: SmallShop) -> None:
    shop.add("anna")
    shop.plan(MONDAY - 7 * DAY)
    shop.execute(
        """
        insert into activation.attempts (edition_id, transport, messages, ended_at, outcome)
        select edition_id, 'sendgrid', 1, now() - interval '40 minutes', 'accepted' from activation.editions
        """
    )
    shop.execute("insert into activation.webhook_bodies (body) values ('[]')")
    shop.write("delivery.yml", "transport: sendgrid")
    assert [edition.state for edition in shop.plan()] == ["approved"]


def test_the_plan_shows_what_the_doctor_found_last(shop: SmallShop) -> None:
    shop.execute(
        "insert into activation.doctor_checks values ('dmarc', %s, false, 'there is no record')", MONDAY
    )
    shop.add("anna")
    shop.plan()
    assert shop.execute("select plan -> 'checks' from activation.editions") == [
        (
            [
                {
                    "name": "dmarc",
                    "is_ok": False,
                    "checked_at": MONDAY.isoformat(),
                    "detail": "there is no record",
                }
            ],
        )
    ]


def test_an_edition_that_nobody_approved_in_time_is_not_sent(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "approval: true\napproval_within: 6h\nholdout: 0.5\n")
    shop.add("anna")
    (edition,) = shop.plan()
    assert (edition.state, edition.state_reason) == ("awaiting_approval", None)
    shop.plan(MONDAY + timedelta(hours=5, minutes=59))
    assert shop.editions()[edition.edition_id] == ("awaiting_approval", None)
    assert shop.plan(MONDAY + timedelta(hours=6)) == []
    assert shop.editions()[edition.edition_id] == ("cancelled", "not_approved")
    assert shop.messages()["anna"] in (("cancelled", "not_approved"), ("skipped", "holdout"))
    assert shop.execute("select * from activation.arms") == []


def test_a_changed_file_needs_a_new_plan_and_a_new_approval(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "approval: true\n")
    shop.add("anna")
    (first,) = shop.plan()
    hashes = [shop.execute("select edition_hash from activation.editions")]
    changes = [
        ("campaigns/weekly.yml", "What is new", "What is old"),
        ("campaigns/weekly.yml", "News for", "Something for"),
        ("campaigns/weekly.yml", "exclude: [unhappy]", "exclude: []"),
        ("templates/letter.mjml", "Hello", "Good day"),
        ("sender.yml", "name: Small Shop", "name: Smaller Shop"),
    ]
    for hour, (file, old, new) in enumerate(changes, 1):
        assert shop.plan(MONDAY + timedelta(hours=hour, minutes=-30)) == []
        text = (shop.settings.config / file).read_text()
        assert old in text
        shop.write(file, text.replace(old, new))
        (again,) = shop.plan(MONDAY + timedelta(hours=hour))
        assert (again.edition_id, again.state) == (first.edition_id, "awaiting_approval")
        hashes.append(shop.execute("select edition_hash from activation.editions"))
        assert hashes.count(hashes[-1]) == 1, file


def test_a_paused_campaigns_new_edition_is_paused(shop: SmallShop) -> None:
    shop.execute("insert into activation.pauses (campaign, paused_by) values ('weekly', 'anna')")
    shop.add("anna")
    assert [edition.state for edition in shop.plan()] == ["paused"]


def test_a_defined_segment_that_could_not_be_built_holds_the_campaigns_that_name_it(shop: SmallShop) -> None:
    crowd(shop, 3)
    run = shop.run()
    shop.execute(
        "insert into segments.definition_builds values ('active', 3, %s, %s, 3, 'its column is gone')",
        run.run_id,
        run.as_of,
    )
    (edition,) = shop.plan(run=run)
    assert edition.state == "held"
    assert edition.state_reason == "segment_held: segment active is held: its column is gone"
    shop.execute("update segments.definition_builds set held_because = null")
    (edition,) = shop.plan(run=run)
    assert edition.state == "approved"
