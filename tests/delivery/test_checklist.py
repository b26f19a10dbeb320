"""The compliance checklist, line by line.

A line's tests are named after it: `test_checklist_21_…`. Those about mails and requests are here; where the
others are tested, or which check of `rapport delivery doctor` looks at the live domain, stands in CHECKLIST,
and a test holds that table to be true.
"""

import ast
import email
import email.policy
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from lxml import html as lxml_html

from delivery.shaped_mails import SENDER, compiled, context, mail, mails
from rapport.audiences.recipients import recipient_key
from rapport.campaigns.templates import read_template
from rapport.delivery.addresses import campaign_fields
from rapport.delivery.doctor import CHECKS
from rapport.delivery.faults import TemplateMistakes
from rapport.delivery.mime import mime_bytes
from rapport.delivery.personal_data import unsubscribe_url
from rapport.delivery.rendering import Rendered, compile_mail
from rapport.delivery.transports.sendgrid import answer_of
from rapport.delivery.transports.sendgrid_client import PooledResponse
from rapport.delivery.transports.sendgrid_request import body
from rapport.settings import PROJECT

TESTS = Path(__file__).parents[1]
TEMPLATES = sorted(
    path.name for path in (PROJECT / "config/templates").glob("*.mjml") if "<mjml" in path.read_text()
)

# What each line of the checklist is about, and where it is tested: `file::test` below tests/, `dbt::test` of
# a model, or `doctor::check`.
CHECKLIST: dict[int, tuple[str, list[str]]] = {
    1: ("List-Unsubscribe with one https address, and One-Click", [
        "delivery/test_checklist.py::test_checklist_1_both_headers_are_on_every_mail_of_every_transport",
        "delivery/test_mails.py::test_the_unsubscribe_headers_stand_on_one_raw_line_each",
        "delivery/test_sendgrid_request.py::test_each_recipient_has_headers_subject_and_ids_of_their_own",
    ]),
    2: ("one-click POST needs nothing, and a GET changes nothing", [
        "public/test_unsubscribe_link.py::test_checklist_2_one_click_needs_nothing_but_the_link",
        "public/test_unsubscribe_link.py::test_checklist_2_nothing_but_a_post_unsubscribes",
    ]),
    3: ("the token is opaque, cannot be forged, holds no address", [
        "delivery/test_checklist.py::test_checklist_3_no_address_of_a_reader_is_in_any_link",
        "delivery/test_unsubscribe_tokens.py::test_checklist_3_no_byte_of_a_token_may_change",
        "delivery/test_unsubscribe_tokens.py::test_checklist_3_nothing_in_a_token_can_be_swapped",
        "delivery/test_unsubscribe_tokens.py::test_checklist_3_a_token_holds_no_address",
        "public/test_unsubscribe_link.py::test_checklist_3_a_changed_token_changes_nothing",
    ]),
    4: ("SPF, DKIM over both headers, DMARC, alignment", [
        "doctor::spf", "doctor::dkim", "doctor::dmarc", "doctor::alignment", "doctor::probe",
        "delivery/test_doctor.py::test_what_is_wrong_with_a_domain_is_named_with_what_to_do",
        "delivery/test_probe.py::test_what_did_not_arrive_as_sent_is_named",
    ]),
    5: ("suppression is checked again by the claim", [
        "audiences/test_suppressions.py::test_checklist_5_who_unsubscribes_before_the_claim_gets_nothing",
        "delivery/test_events.py::test_checklist_5_who_complains_before_the_claim_gets_nothing",
        "delivery/test_events.py::test_checklist_5_who_complains_while_a_sender_renders_gets_nothing",
    ]),
    6: ("what bounced hard, complained or left is suppressed by the event", [
        "delivery/test_events.py::test_checklist_6_what_an_address_said_suppresses_it",
        "delivery/test_events.py::test_checklist_6_other_events_suppress_nobody",
        "audiences/test_suppressions.py::test_checklist_6_sendgrids_lists_suppress",
        "doctor::suppression_pull", "doctor::webhook_key",
    ]),
    7: ("suppression rides on the address's hash; an import lifts nothing", [
        "audiences/test_suppressions.py::test_checklist_7_only_a_consent_confirmed_later_lifts_a_suppression",
        "audiences/test_suppressions.py::test_checklist_7_an_import_again_does_not_undo_a_consent_confirmed_since",
        "audiences/test_recipients.py::test_a_suppression_outlives_the_row_it_came_from",
        "doctor::recipient_key",
    ]),
    8: ("nothing bypasses a list: there is marketing mail only", [
        "delivery/test_sendgrid_request.py::test_every_setting_is_said_and_nothing_that_marketing_mail_must_not_have",
        "delivery/test_checklist.py::test_checklist_8_no_mail_bypasses_a_list",
    ]),
    9: ("consent per address and topic, confirmed where it must be", [
        "campaigns/test_consent_by_address.py::test_on_a_double_opt_in_topic_only_what_was_confirmed_counts",
        "campaigns/test_consent_by_address.py::test_an_address_that_never_consented_is_not_mailed_because_another_did",
        "delivery/test_sending.py::test_an_unconfirmed_or_expired_consent_is_none",
    ]),
    10: ("consent that has expired is none", [
        "campaigns/test_consent_by_address.py::test_a_consent_that_has_expired_is_none",
        "delivery/test_sending.py::test_an_unconfirmed_or_expired_consent_is_none",
    ]),
    11: ("postal address and a visible way out, or the template is refused", [
        "delivery/test_rendering.py::test_a_template_without_unsubscribe_link_or_postal_address_is_refused",
        "delivery/test_checklist.py::test_checklist_11_the_way_out_and_the_postal_address_can_be_seen",
        "campaigns/test_campaign_files.py::test_a_wrong_sender_is_refused",
        "doctor::reply_to",
    ]),
    12: ("preferences count at the next claim, all beats topics, no log-in", [
        "public/test_unsubscribe_link.py::test_checklist_12_preferences_can_only_be_withdrawn",
        "public/test_unsubscribe_link.py::test_checklist_12_all_beats_topics",
        "audiences/test_suppressions.py::test_checklist_12_a_topic_that_was_given_up_counts_at_the_next_claim",
        "doctor::unsubscribe_host",
    ]),
    13: ("the frequency cap holds under two campaigns at once", [
        "delivery/test_sending.py::test_two_campaigns_and_a_cap_of_one_with_many_senders",
        "delivery/test_outbox.py::test_a_cap_of_one_holds_between_two_campaigns_that_claim_at_once",
    ]),
    14: ("the reader's own hours, over every change of the clocks", [
        "campaigns/test_windows.py::test_any_window_in_any_zone_at_any_time",
        "campaigns/test_windows.py::test_around_each_change_of_the_clocks_of_each_zone_no_earlier_moment_was_allowed",
        "delivery/test_sending.py::test_who_is_out_of_their_hours_waits_until_they_open",
    ]),
    15: ("a due time lies within the window, and a holdout is kept", [
        "campaigns/test_vouchers_and_limits.py::test_mails_wait_for_the_recipients_own_hours",
        "campaigns/test_arms.py::test_arms_stay_when_the_share_grows_and_new_people_get_the_new_share",
    ]),
    16: ("one rate for all workers, a small share first, what is over waits", [
        "delivery/test_sending.py::test_no_more_leaves_than_the_rate_lets",
        "delivery/test_sending.py::test_a_large_edition_sends_two_percent_first",
        "delivery/test_sending.py::test_no_more_than_the_days_maximum_leaves",
    ]),
    17: ("bounces and complaints stop a campaign until a person resumes it", [
        "delivery/test_sending.py::test_the_circuit_breaker",
        "delivery/test_sending.py::test_a_first_share_that_bounces_holds_the_campaign",
    ]),
    18: ("a pause stops requests within a second and loses and doubles nothing", [
        "delivery/test_sending.py::test_a_pause_stops_new_requests_within_a_second",
        "campaigns/test_decisions.py::test_a_paused_campaign_goes_on_where_it_stopped",
    ]),
    19: ("a text part, first, with the way out", [
        "delivery/test_checklist.py::test_checklist_19_text_comes_first_and_has_the_way_out",
        "delivery/test_checklist.py::test_checklist_19_every_template_that_ships_has_a_text_part",
    ]),
    20: ("preheader, size, pictures, https, nothing unreplaced", [
        "delivery/test_checklist.py::test_checklist_20_the_form_of_every_template_that_ships",
        "delivery/test_checklist.py::test_checklist_20_what_breaks_the_form_is_refused",
    ]),
    21: ("utm fields once, not on the way out, whose clicks are not counted", [
        "delivery/test_checklist.py::test_checklist_21_campaign_fields_on_web_links_only",
        "delivery/test_addresses.py::test_fields_are_added_once_and_query_and_fragment_stay",
        "delivery/test_addresses.py::test_other_addresses_get_no_fields",
        "delivery/test_addresses.py::test_clicks_on_the_unsubscribe_link_alone_are_not_counted",
    ]),
    22: ("opens and clicks of machines do not count", [
        "dbt::test_opens_and_clicks_are_counted_by_message_and_of_people_only",
    ]),
    23: ("mails to colleagues count nowhere; a check is no acceptance", [
        "campaigns/test_trial.py::test_a_colleague_gets_what_a_customer_would_and_nothing_counts_it",
        "delivery/test_checklist.py::test_checklist_23_a_request_that_was_only_checked_is_not_accepted",
        "campaigns/test_gate.py::test_an_edition_that_nobody_approved_in_time_is_not_sent",
    ]),
    24: ("who is erased is nowhere, and what was counted stays", [
        "audiences/test_erasure.py::test_checklist_24_an_erased_address_is_nowhere_and_its_counts_stay",
        "audiences/test_erasure.py::test_checklist_24_nobody_who_was_erased_gets_mail_by_a_later_import",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("line", range(1, 25))
def test_every_line_is_a_test_or_a_check_of_the_doctor(line: int) -> None:
    subject, places = CHECKLIST[line]
    assert subject
    assert places
    for place in places:
        where, _, name = place.partition("::")
        if where == "doctor":
            assert name in CHECKS, place
        elif where == "dbt":
            models = (PROJECT / "dbt_project/models").rglob("*.yml")
            assert any(f"- name: {name}\n" in path.read_text() for path in models), place
        else:
            assert name in _tests_of(where), f"{place} is gone; name the test that took its place"


def test_every_test_that_is_named_after_a_line_is_in_the_table() -> None:
    named = {
        f"{path.relative_to(TESTS)}::{name}"
        for path in TESTS.rglob("test_*.py")
        for name in _tests_of(str(path.relative_to(TESTS)))
        if name.startswith("test_checklist_")
    }
    table = {place for _, places in CHECKLIST.values() for place in places}
    assert named <= table


def _tests_of(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def shipped(name: str) -> Rendered:
    """A template that comes with Rapport, rendered for somebody of whom everything is known."""
    source = read_template(PROJECT / "config/templates", name, "test").source
    item = {"name": "Pot", "quantity": 2, "price": 3.5, "amount": 7, "category": "Pots"}
    data: dict[str, Any] = {
        **context(0),
        "customer": {
            "first_name": "Anna", "favourite_category": "Tea", "open_ticket_count": 2,
            "last_order_at": datetime(2026, 5, 1, tzinfo=UTC),
        },
        "member": {"cart_products": [item, item]},
        "order": {"order_id": "1", "ordered_at": "2026-05-01", "currency": "EUR", "lines": [item]},
        "ticket": {"subject": "Lid", "opened_at": "2026-05-01", "solved_at": "2026-05-02"},
        "products": [item],
        "voucher": "CODE",
    }  # fmt: skip
    fields = campaign_fields("weekly", "weekly/2026-06-29T09:00:00Z")
    return compile_mail("For {{ customer.first_name }}", "Soon", source, link_fields=fields).render(data)


def test_checklist_1_both_headers_are_on_every_mail_of_every_transport() -> None:
    some = mails(20)
    of_requests = [
        person["headers"]
        for request in (body(some, 7), body(some[:1], 7))
        for person in orjson.loads(request)["personalizations"]
    ]
    message = email.message_from_bytes(mime_bytes(some[0]), policy=email.policy.default)
    of_mime = {name: str(message[name]) for name in ("List-Unsubscribe", "List-Unsubscribe-Post")}
    assert len(of_requests) == 21
    for headers in [*of_requests, of_mime]:
        addresses = re.findall(r"<([^>]*)>", headers["List-Unsubscribe"])
        assert [urlsplit(address).scheme for address in addresses] == ["https", "mailto"]
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_checklist_3_no_address_of_a_reader_is_in_any_link() -> None:
    key = recipient_key("anna.lind@mail.example", b"a secret that is long enough")
    link = unsubscribe_url(SENDER, b"another secret, long enough", key, "news")
    one = mail(0, compiled(), recipient="anna.lind@mail.example")
    for text in (link, one.rendered.html, one.rendered.text, one.unsubscribe_url):
        assert "anna.lind" not in text
        assert "mail.example" not in text


def test_checklist_8_no_mail_bypasses_a_list() -> None:
    for count in (1, 20):
        assert b"bypass" not in body(mails(count), 7)
        assert b"asm" not in body(mails(count), 7)


@pytest.mark.parametrize("name", TEMPLATES)
def test_checklist_11_the_way_out_and_the_postal_address_can_be_seen(name: str) -> None:
    rendered = shipped(name)
    (link,) = [
        link
        for link in lxml_html.document_fromstring(rendered.html).iter("a")
        if link.get("href") == "https://shop.example/u/token0"
    ]
    assert "Unsubscribe" in link.text_content()
    for element in (link, *link.iterancestors()):
        assert "display:none" not in (element.get("style") or "").replace(" ", "")
    assert SENDER.postal_address in rendered.html
    assert SENDER.postal_address in rendered.text


def test_checklist_19_text_comes_first_and_has_the_way_out() -> None:
    some = mails(20)
    for request in (body(some, 7), body(some[:1], 7)):
        contents = orjson.loads(request)["content"]
        assert [content["type"] for content in contents] == ["text/plain", "text/html"]
    message = email.message_from_bytes(mime_bytes(some[0]), policy=email.policy.default)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert some[0].unsubscribe_url in some[0].rendered.text


@pytest.mark.parametrize("name", TEMPLATES)
def test_checklist_19_every_template_that_ships_has_a_text_part(name: str) -> None:
    text = shipped(name).text
    assert len(text.split()) > 20
    assert "https://shop.example/u/token0" in text
    assert not re.search(r"<\w|&[a-z]+;|\{\{|\{%", text)


@pytest.mark.parametrize("name", TEMPLATES)
def test_checklist_20_the_form_of_every_template_that_ships(name: str) -> None:
    html = shipped(name).html
    document = lxml_html.document_fromstring(html)
    assert "Soon" in document.text_content()
    assert len(html.encode()) < 102_000
    assert "{{" not in html
    assert "{%" not in html
    for picture in document.iter("img"):
        assert picture.get("alt") is not None
        assert picture.get("width") is not None
        assert picture.get("src").startswith("https://")
    for link in document.iter("a"):
        assert link.get("href").startswith(("https://", "mailto:"))


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ('<img src="https://a.example/a.png" width="1">', "needs alt"),
        ('<img src="https://a.example/a.png" alt="">', "needs width"),
        ('<img src="http://a.example/a.png" alt="" width="1">', "starts with https"),
        ('<a href="http://a.example">a</a>', "starts with https"),
        ('<a href="javascript:a()">a</a>', "starts with https"),
        (f"<p>{'x' * 102_000}</p>", "102 KB"),
        ("<p>{{ customer.first_name }</p>", "template, line 1"),
    ],
)
def test_checklist_20_what_breaks_the_form_is_refused(broken: str, sentence: str) -> None:
    with pytest.raises(TemplateMistakes, match=re.escape(sentence)):
        compiled(broken)
    with pytest.raises(TemplateMistakes, match="inboxes show about 100"):
        compiled(preheader="x" * 151)


@pytest.mark.parametrize("name", TEMPLATES)
def test_checklist_21_campaign_fields_on_web_links_only(name: str) -> None:
    document = lxml_html.document_fromstring(shipped(name).html)
    links = [link.get("href") for link in document.iter("a")]
    marked = [link for link in links if "utm_" in link]
    assert all(link.count("utm_campaign=weekly") == 1 for link in marked)
    assert set(links) - set(marked) <= {"https://shop.example/u/token0", "mailto:care@shop.example"}
    off = [link.get("href") for link in document.iter("a") if link.get("clicktracking") == "off"]
    assert off == ["https://shop.example/u/token0"]


def test_checklist_23_a_request_that_was_only_checked_is_not_accepted() -> None:
    class Checked(PooledResponse):
        def __init__(self) -> None:
            self.status = 200
            self._body = b""

    assert answer_of(Checked(), 1, datetime(2026, 7, 1, tzinfo=UTC)).kind != "accepted"
