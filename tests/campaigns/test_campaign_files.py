"""Mistakes in campaign files: each named by file and key, with what would be right."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaigns.small_shop import SENDER, WEEKLY, WELCOME, SmallShop
from rapport import warehouse
from rapport.campaigns.campaign import Campaign, json_schema
from rapport.campaigns.configuration import read_campaigns
from rapport.campaigns.durations import parse_duration, write_duration
from rapport.campaigns.fields import Fields
from rapport.delivery.configuration import read_delivery, read_sender
from rapport.errors import ConfigurationError
from rapport.settings import PROJECT, Settings


def problems(shop: SmallShop) -> list[str]:
    with warehouse.connect(shop.url) as connection:
        fields = Fields.of(connection)
    return [
        sentence
        for problem in read_campaigns(shop.settings, fields).problems
        for sentence in problem.sentences
    ]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "topic: news",
            "topc: news",
            "config/campaigns/weekly.yml: topc is no key here; did you mean topic?",
        ),
        ("include: [active]", "inclued: [active]", "audience.inclued is no key here; did you mean include?"),
        ("topic: news", "", "weekly.yml: topic is missing"),
        ("[active]", "[actve]", "audience.include: there is no segment actve; did you mean active?"),
        (
            "[unhappy]",
            "[zzz]",
            "there is no segment zzz; there is abandoned_cart, active, new_customers, unhappy",
        ),
        (
            "letter.mjml",
            "leter.mjml",
            "template: there is no file leter.mjml in templates; did you mean letter.mjml?",
        ),
        ("0 9 * * 1", "0 25 * * 1", "trigger.schedule: '0 25 * * 1' is no cron line"),
        ('"0 9 * * 1"', '"0 9 * * 1", entering: active', "trigger: give either schedule or entering"),
        (
            "re_entry: 1d",
            "re_entry: often",
            "re_entry: 'often' is no length of time; write a number and m, h, d or w",
        ),
        (
            "re_entry: 1d",
            "cap: marketting",
            "cap: there is no cap class marketting; did you mean marketing?",
        ),
        (
            "re_entry: 1d",
            "service_hold: {rule: recovery, campaign: sorry}",
            "service_hold.campaign: there is no campaign sorry; there is weekly",
        ),
        ("re_entry: 1d", "service_hold: {rule: recovery}", "campaign belongs to rule: recovery"),
        ("re_entry: 1d", "window: {opens: '19:00', closes: '09:00'}", "opens must be before closes"),
        (
            "re_entry: 1d",
            "window: {opens: '09:00', closes: '19:00', fallback_time_zone: Berlin}",
            "'Berlin' is no time zone; write one like Europe/Berlin",
        ),
        ("re_entry: 1d", "audience: {where: {order_count: {}}}", "name a test: equals, one_of"),
        (
            "re_entry: 1d",
            "journey: [{name: a}]",
            "a journey begins with entering a segment; write trigger: {entering: …}",
        ),
        ("subject: News for {{ customer.first_name or 'you' }}\n", "", "subject is missing"),
        (
            "subject: News for {{ customer.first_name or 'you' }}",
            "variants: {a: {subject: A}, b: {}}",
            "subject is missing in b",
        ),
        (
            "re_entry: 1d",
            "variants: {a: {subject: '{{ customer.firstname }}'}}",
            "weekly.yml: a: subject: there is no customer.firstname; did you mean first_name?",
        ),
        ("re_entry: 1d", "hold_out: 5%", "hold_out is no key here; did you mean holdout?"),
        ("include: [active], ", "", "audience.include names no segment"),
        (
            "customer.first_name",
            "customer.firstname",
            "there is no customer.firstname; did you mean first_name?",
        ),
        ("customer.first_name", "custmer.first_name", "there is no custmer; did you mean customer?"),
        ("customer.first_name", "member.days + member.age", "there is no member.age"),
        ("customer.first_name", "sender.adress", "there is no sender.adress; did you mean address?"),
        ("customer.first_name", "customer['nme']", "there is no customer.nme"),
        ("{{ customer.first_name", "{{ customer.first_name +", "subject: "),
        ("description: A weekly letter.", "description: 'unclosed", "weekly.yml, line"),
        ("description: A weekly letter.", "name: x\ndescription: x", "name is no key here"),
    ],
)
def test_each_mistake_says_where_and_what_would_be_right(
    shop: SmallShop, old: str, new: str, sentence: str
) -> None:
    assert old in WEEKLY
    shop.write("campaigns/weekly.yml", WEEKLY.replace(old, new, 1))
    found = problems(shop)
    assert any(sentence in mistake for mistake in found), found


def test_a_mistake_in_a_template_has_its_file_and_line(shop: SmallShop) -> None:
    shop.write("templates/piece.mjml", "<mj-text>\n{{ customer.frist_name }}</mj-text>")
    letter = (shop.settings.config / "templates" / "letter.mjml").read_text()
    shop.write(
        "templates/letter.mjml",
        letter.replace("</mj-column>", '{% include "piece.mjml" %}\n{{ customer.emial }}</mj-column>'),
    )
    assert problems(shop) == [
        "config/templates/letter.mjml, line 6: there is no customer.emial; did you mean email?",
        "config/templates/piece.mjml, line 2: there is no customer.frist_name; did you mean first_name?",
    ]
    shop.write("templates/letter.mjml", letter.replace("Hello", "\n{% if customer.email %}"))
    assert any("letter.mjml, line" in sentence and "endif" in sentence for sentence in problems(shop))


def test_a_missing_include_names_its_line_and_the_nearest_file(shop: SmallShop) -> None:
    letter = (shop.settings.config / "templates" / "letter.mjml").read_text()
    shop.write(
        "templates/letter.mjml", letter.replace("</mj-column>", '\n{% include "lettre.mjml" %}</mj-column>')
    )
    (sentence,) = problems(shop)
    assert sentence.endswith(
        "letter.mjml, line 6: there is no file lettre.mjml in templates; did you mean letter.mjml?"
    )


def test_columns_of_the_segment_and_loops_over_its_lists_are_known(shop: SmallShop) -> None:
    letter = (shop.settings.config / "templates" / "letter.mjml").read_text()
    loop = "<mj-text>{% for p in member.cart_products %}{{ p.name }}{% endfor %}</mj-text></mj-column>"
    shop.write("templates/letter.mjml", letter.replace("</mj-column>", loop))
    shop.write("campaigns/weekly.yml", WELCOME.replace("new_customers", "abandoned_cart"))
    assert problems(shop) == []
    shop.write("campaigns/weekly.yml", WELCOME)
    (sentence,) = problems(shop)
    assert "there is no member.cart_products" in sentence


def test_one_bad_file_leaves_the_others_good(shop: SmallShop) -> None:
    shop.write("campaigns/bad.yml", "topic: [")
    (shop.settings.config / "campaigns" / "latin.yml").write_bytes(b"description: caf\xe9")
    campaigns = read_campaigns(shop.settings)
    assert [campaign.name for campaign in campaigns.good] == ["weekly"]
    assert [problem.campaign for problem in campaigns.problems] == ["bad", "latin"]
    assert "not UTF-8" in campaigns.problems[1].sentences[0]


@pytest.mark.parametrize(
    ("as_of", "slot"),
    [
        (datetime(2026, 6, 29, 9, tzinfo=UTC), datetime(2026, 6, 29, 9, tzinfo=UTC)),
        (datetime(2026, 6, 29, 8, 59, 59, 999_999, tzinfo=UTC), None),
        (datetime(2026, 6, 29, 9, 0, 0, 1, tzinfo=UTC), datetime(2026, 6, 29, 9, tzinfo=UTC)),
        (datetime(2026, 7, 1, 9, tzinfo=UTC), datetime(2026, 6, 29, 9, tzinfo=UTC)),
        (datetime(2026, 7, 1, 9, 0, 1, tzinfo=UTC), None),
    ],
)
def test_the_latest_slot_counts_until_it_expires(
    shop: SmallShop, as_of: datetime, slot: datetime | None
) -> None:
    (campaign,) = read_campaigns(shop.settings).good
    assert campaign.latest_slot(as_of) == slot


def test_a_campaign_survives_being_written_down(shop: SmallShop) -> None:
    (campaign,) = read_campaigns(shop.settings).good
    assert Campaign.model_validate(campaign.model_dump(mode="json")) == campaign


@pytest.mark.parametrize("length", ["1m", "36h", "90d", "2w", "90m"])
def test_lengths_of_time_are_read_and_written(length: str) -> None:
    assert parse_duration(write_duration(parse_duration(length))) == parse_duration(length)
    assert parse_duration("36h") == timedelta(hours=36)


def test_the_schema_for_editors_is_current() -> None:
    assert (PROJECT / "config" / "schema" / "campaign.json").read_text() == json_schema(), (
        "write what rapport.campaigns.campaign.json_schema() gives to config/schema/campaign.json"
    )


def test_the_campaigns_that_come_with_rapport_are_good() -> None:
    campaigns = read_campaigns(Settings.from_environment({}))
    assert campaigns.problems == []
    assert [campaign.name for campaign in campaigns.good] == [
        "service_recovery",
        "welcome",
        "abandoned_cart",
        "win_back",
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("postal_address: ''", "sender.yml: postal_address: it must not be empty"),
        ("website: http://small.example", "website: an address like https://shop.example"),
        ("reply_to: nobody", "reply_to: an e-mail address like"),
        ('name: "Small\\r\\nBcc: x"', "name: one line of text"),
        ("colour: red", "colour is no key here"),
    ],
)
def test_a_wrong_sender_is_refused(shop: SmallShop, line: str, sentence: str) -> None:
    key = line.partition(":")[0]
    kept = [other for other in SENDER.splitlines() if not other.startswith(f"{key}:")]
    shop.write("sender.yml", "\n".join([*kept, line]))
    with pytest.raises(ConfigurationError, match=sentence):
        read_sender(shop.settings)


def test_a_missing_sender_is_refused(shop: SmallShop) -> None:
    (shop.settings.config / "sender.yml").unlink()
    with pytest.raises(ConfigurationError, match=r"sender.yml is missing"):
        read_sender(shop.settings)


def test_delivery_has_defaults_and_refuses_unknown_keys(shop: SmallShop, tmp_path: Path) -> None:
    delivery = read_delivery(shop.settings)
    assert (delivery.caps["marketing"].messages, delivery.transport) == (2, "local")
    shop.write("delivery.yml", "sendgrid: {rendr: shape}")
    with pytest.raises(ConfigurationError, match=r"sendgrid.rendr is no key here; did you mean render\?"):
        read_delivery(shop.settings)
