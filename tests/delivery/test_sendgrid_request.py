"""Mails as SendGrid's requests: who travels with whom, and what each of them gets."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import orjson
import pytest

from delivery.fake_requests import OPENAPI
from delivery.sendgrid_substitution import received
from delivery.shaped_mails import compiled, context, mail, mails
from rapport.delivery.fake_sendgrid.http_server import Request
from rapport.delivery.fake_sendgrid.mail_send import read_mail
from rapport.delivery.fake_sendgrid.openapi import MailDocument
from rapport.delivery.mime import Mail
from rapport.delivery.shapes import ShapedMail
from rapport.delivery.transports.sendgrid_request import body, canonical_mailbox, parcels, single_body


def sizes(found: list[list[Mail]]) -> list[int]:
    return sorted((len(parcel) for parcel in found), reverse=True)


def message(parcel: list[Mail]) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(body(parcel, 7))
    return made


def substitutions(parcel: list[Mail]) -> list[dict[str, str]]:
    return [person["substitutions"] for person in message(parcel)["personalizations"]]


def test_what_recipients_get_is_what_plain_rendering_gives() -> None:
    template = compiled()
    found = parcels([mail(number, template) for number in range(90)])
    assert sizes(found) == [30, 30, 30]
    for parcel in found:
        for mine, theirs in zip(parcel, received(body(parcel, 7)), strict=True):
            plain = template.render(context(mine.message_id.int))
            assert (theirs.subject, theirs.html, theirs.text) == (plain.subject, plain.html, plain.text)
            assert theirs.address == mine.recipient


@pytest.mark.parametrize("count", [1, 30])
def test_sendgrids_own_description_and_the_rules_it_misses_take_the_request(count: int) -> None:
    headers = {"content-type": "application/json"}
    request = Request("POST", "/v3/mail/send", {}, headers, body(mails(count), 7))
    assert len(read_mail(request, MailDocument(OPENAPI), now=0)["personalizations"]) == count


def test_each_recipient_has_headers_subject_and_ids_of_their_own() -> None:
    (parcel,) = parcels(mails(20))
    for mine, theirs in zip(parcel, received(body(parcel, 41)), strict=True):
        assert theirs.headers == {
            "List-Unsubscribe": f"<{mine.unsubscribe_url}>, <mailto:stop@shop.example?subject=unsubscribe>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        assert theirs.custom_args == {"rapport_message": str(mine.message_id), "rapport_attempt": "41"}
    people = message(parcel)["personalizations"]
    assert [person["subject"] for person in people] == [mine.rendered.subject for mine in parcel]
    assert len({person["to"][0]["email"] for person in people}) == 20


@pytest.mark.parametrize("count", [1, 20])
def test_every_setting_is_said_and_nothing_that_marketing_mail_must_not_have(count: int) -> None:
    made = message(mails(count))
    assert made["tracking_settings"] == {
        "click_tracking": {"enable": True, "enable_text": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
        "ganalytics": {"enable": False},
    }
    assert made["mail_settings"] == {"footer": {"enable": False}}
    assert set(made) == {
        "personalizations", "from", "reply_to", "content", "tracking_settings", "mail_settings",
    }  # fmt: skip
    for person in made["personalizations"]:
        assert set(person) - {"substitutions"} == {"to", "subject", "headers", "custom_args"}
        assert set(person["to"][0]) == {"email"}


def test_the_senders_name_is_plain_ascii() -> None:
    assert message(mails(1))["from"] == {"email": "hello@shop.example", "name": "Sohne & Co"}
    (one,) = mails(1)
    nameless = replace(one, sender=one.sender.model_copy(update={"name": "株式会社"}))
    assert message([nameless])["from"]["name"] == "hello@shop.example"


def test_fewer_than_twenty_of_a_shell_go_one_by_one() -> None:
    assert sizes(parcels(mails(20))) == [20]
    assert sizes(parcels(mails(19))) == [1] * 19


def test_a_request_has_at_most_a_thousand_recipients() -> None:
    assert sizes(parcels(mails(2_020))) == [1_000, 1_000, 20]
    assert sizes(parcels(mails(1_003))) == [1_000, 1, 1, 1]
    assert sizes(parcels(mails(500), most=250)) == [250, 250]


def test_every_mail_is_in_one_parcel() -> None:
    template = compiled()
    many = [mail(number, template) for number in range(200)]
    many[7] = replace(many[7], rendered=template.render(context(7)))
    assert sorted(one.message_id.int for one in chain(*parcels(many))) == list(range(200))


def test_who_may_be_seen_opening_it_has_a_request_of_their_own() -> None:
    everybody = mails(45)
    plain, seen = everybody[:20], [replace(one, tracks_opens=True) for one in everybody[20:]]
    found = parcels([one for pair in zip(plain, seen[:20], strict=True) for one in pair] + seen[20:])
    assert sizes(found) == [25, 20] or sizes(found) == [20, 25]
    for parcel in found:
        assert message(parcel)["tracking_settings"]["open_tracking"] == {"enable": parcel[0].tracks_opens}
        assert len({one.tracks_opens for one in parcel}) == 1
    assert message(seen[:1])["tracking_settings"]["open_tracking"] == {"enable": True}


def test_addresses_of_one_mailbox_do_not_share_a_request() -> None:
    aliases = ["Anna.Lind@gmail.com", "annalind+shop@gmail.com", "a.n.n.a.lind@googlemail.com"]
    found = parcels(
        [
            replace(one, recipient=aliases[number] if number < 3 else one.recipient)
            for number, one in enumerate(mails(62))
        ]
    )
    assert sizes(found) == [60, 1, 1]
    assert {canonical_mailbox(alias) for alias in aliases} == {"annalind@gmail.com"}
    assert canonical_mailbox("anna@gmail.com") != canonical_mailbox("anna@mail.example")


def test_two_senders_do_not_share_a_request() -> None:
    everybody = mails(40)
    other = everybody[0].sender.model_copy(update={"name": "Other"})
    found = parcels([*everybody[:20], *(replace(each, sender=other) for each in everybody[20:])])
    assert sizes(found) == [20, 20]
    assert [len({one.sender.name for one in parcel}) for parcel in found] == [1, 1]


def test_who_has_too_much_to_say_goes_alone() -> None:
    template = compiled()
    many = [mail(3 * n, template, first_name="é" * (4_490 if n == 4 else 4)) for n in range(30)]
    assert sizes(parcels(many)) == [29, 1]
    many = [mail(3 * n, template, first_name="é" * (4_300 if n == 4 else 4)) for n in range(30)]
    assert sizes(parcels(many)) == [30]


def test_substitutions_stay_within_the_budget() -> None:
    template = compiled()
    many = [mail(3 * n, template, first_name="é" * (100 * n)) for n in range(60)]
    found = parcels(many)
    together = max(found, key=len)
    for person in substitutions(together):
        assert sum(len(key.encode()) + len(value.encode()) for key, value in person.items()) <= 9_000
    assert sizes(found)[0] == 45


def _long_letter(fields: int) -> str:
    return "<p>" + " ".join(f"{{{{ customer.f{number} }}}}" for number in range(fields)) + "</p>"


def test_no_more_than_ninety_tags() -> None:
    # Preheader and unsubscribe link are slots, too.
    for fields, expected in ((88, [20]), (89, [1] * 20)):
        template = compiled(_long_letter(fields))
        values = [{f"f{n}": f"{n} of {person}" for n in range(fields)} for person in range(20)]
        found = parcels([mail(person, template, **values[person]) for person in range(20)])
        assert sizes(found) == expected
        if len(found) == 1:
            assert {len(person) for person in substitutions(found[0])} == {90}


def test_large_requests_are_divided_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    template = compiled()
    many = [mail(3 * n, template, first_name="é" * 4_000) for n in range(100)]
    assert sizes(parcels(many)) == [100]
    monkeypatch.setattr("rapport.delivery.transports.sendgrid_request.LARGEST_BODY", 500_000)
    found = parcels(many)
    assert len(found) > 1
    assert all(len(body(parcel, 7)) <= 500_000 for parcel in found)


def test_html_and_text_share_a_tag_only_where_they_say_the_same() -> None:
    plain, with_marks = (
        substitutions([mail(3 * n, compiled_once, first_name=f"{name} {n}") for n in range(20)])[0]
        for compiled_once in [compiled()]
        for name in ("Anna", "O'Brien & <b>")
    )
    assert sorted(plain.values()) == ["Anna 0", "Soon", "u/token0"]
    assert sorted(with_marks.values()) == [
        "O&#39;Brien &amp; &lt;b&gt; 0", "O'Brien & <b> 0", "Soon", "u/token0",
    ]  # fmt: skip


@pytest.mark.parametrize("place", [0, 19, 20, 39])
def test_one_of_many_who_says_something_else_in_a_place_gets_it(place: int) -> None:
    template = compiled("<p>{{ customer.first_name }} {{ customer.city }}</p>")
    names = [f"Anna {number}" for number in range(40)]
    many = [
        mail(number, template, first_name=name, city="Bath" if number == place else name)
        for number, name in enumerate(names)
    ]
    for mine, theirs in zip(many, received(body(many, 7)), strict=True):
        assert (theirs.html, theirs.text) == (mine.rendered.html, mine.rendered.text)


def test_a_tag_is_drawn_again_where_it_stands_in_a_value_a_subject_or_the_shell() -> None:
    template = compiled("<p>QSHELLXXX {{ customer.first_name }}</p>", subject="Hello")
    many = [
        mail(number, template, first_name=f"QVALUEXXX{number:02}Z" if number == 3 else "A")
        for number in range(20)
    ]
    many[9] = replace(many[9], rendered=replace(many[9].rendered, subject="QSUBJECTX00Z"))  # type: ignore[arg-type]
    drawn: Iterator[str] = iter(["SHELLXXX", "VALUEXXX", "SUBJECTX", "GOODXXXX"])
    made = body(many, 7, draw=lambda: next(drawn))
    keys = orjson.loads(made)["personalizations"][0]["substitutions"].keys()
    assert {key[:9] for key in keys} == {"QGOODXXXX"}
    for mine, theirs in zip(many, received(made), strict=True):
        assert (theirs.html, theirs.text) == (mine.rendered.html, mine.rendered.text)


def test_tags_are_of_one_width_and_new_in_each_request() -> None:
    many = mails(20)
    tags = [*substitutions(many)[0], *substitutions(many)[0]]
    assert {len(tag) for tag in tags} == {12}
    assert len(set(tags)) == len(tags)
    assert all(tag.isalnum() and tag[0] == "Q" and tag[-1] == "Z" for tag in tags)
    assert all(tag.count("Q") == tag.count("Z") == 1 for tag in tags)


def test_no_tag_is_left_and_none_stands_in_a_value() -> None:
    (parcel,) = parcels(mails(40))
    made = message(parcel)
    tags = list(made["personalizations"][0]["substitutions"])
    for person in made["personalizations"]:
        assert list(person["substitutions"]) == tags
        said = [person["subject"], *person["substitutions"].values(), *person["headers"].values()]
        assert not any(tag in text for tag in tags for text in said)
    for theirs in received(body(parcel, 7)):
        assert not any(tag in theirs.html + theirs.text for tag in tags)


def test_links_keep_scheme_and_host_in_the_shell() -> None:
    template = compiled()
    made = message([mail(3 * number + 2, template) for number in range(20)])
    html = made["content"][1]["value"]
    tags = list(made["personalizations"][0]["substitutions"])
    addresses = [part.partition('"')[0] for part in html.split('href="')[1:]]
    assert len(addresses) == 3
    assert all(address.startswith("https://shop.example/Q") for address in addresses)
    assert all(address.removeprefix("https://shop.example/") in tags for address in addresses)


def test_a_part_of_a_parcel_is_a_request_as_well() -> None:
    (parcel,) = parcels(mails(30))
    for part in (parcel[:15], parcel[15:], parcel[:1]):
        for mine, theirs in zip(part, received(body(part, 8)), strict=True):
            assert (theirs.html, theirs.text) == (mine.rendered.html, mine.rendered.text)


def test_a_mail_alone_is_whole() -> None:
    (one,) = mails(1)
    assert isinstance(one.rendered, ShapedMail)
    (theirs,) = received(single_body(one, 7))
    assert (theirs.subject, theirs.html, theirs.text) == (
        one.rendered.subject, one.rendered.html, one.rendered.text,
    )  # fmt: skip
    assert b"substitutions" not in single_body(one, 7)
