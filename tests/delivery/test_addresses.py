"""Data within addresses, and the query fields that say which mail a visit came from."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from delivery.shaped_mails import context, page
from rapport.delivery.addresses import campaign_fields, in_path, in_query, with_fields
from rapport.delivery.rendering import compile_mail

FIELDS = "utm_source=rapport&utm_campaign=weekly"


def links(inner: str, fields: str | None = FIELDS, **customer: Any) -> list[str]:
    rendered = compile_mail("a", "b", page(inner), link_fields=fields).render(context(0, **customer))
    return [link.get("href") for link in lxml_html.document_fromstring(rendered.html).iter("a")]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a.example", f"https://a.example?{FIELDS}"),
        ("https://a.example/x?y=1#z", f"https://a.example/x?y=1&{FIELDS}#z"),
        ("https://a.example/x?", f"https://a.example/x?{FIELDS}"),
        ("https://a.example/#/x?y=1", f"https://a.example/?{FIELDS}#/x?y=1"),
        ("https://a.example/?utm_source=own", "https://a.example/?utm_source=own"),
        ("https://a.example/?a=1&UTM_ID=7#z", "https://a.example/?a=1&UTM_ID=7#z"),
        ("https://a.example/?automatic=1", f"https://a.example/?automatic=1&{FIELDS}"),
    ],
)
def test_fields_are_added_once_and_query_and_fragment_stay(address: str, expected: str) -> None:
    assert with_fields(address, FIELDS) == expected
    assert with_fields(expected, FIELDS) == expected
    assert links(f'<a href="{address}">x</a>')[0] == expected
    assert links('<a href="{{ customer.url | url }}">x</a>', url=address)[0] == expected
    assert links('<a href=" {{ customer.url | url }} ">x</a>', url=address)[0] == expected


def test_other_addresses_get_no_fields() -> None:
    inner = '<a href="mailto:{{ sender.reply_to }}">a</a><a href="tel:+49401">b</a><a href="#top">c</a>'
    assert links(inner) == ["mailto:care@shop.example", "tel:+49401", "#top", "https://shop.example/u/token0"]
    pictures = '<img src="https://a.example/i.png" alt="" width="1">'
    assert "utm_" not in compile_mail("a", "b", page(pictures), link_fields=FIELDS).render(context(0)).html


def test_the_text_part_has_the_same_addresses() -> None:
    template = compile_mail(
        "a", "b", page('<p><a href="{{ sender.website }}/x">y</a></p>'), link_fields=FIELDS
    )
    assert f"y: https://shop.example/x?{FIELDS}\n" in template.render(context(0)).text


def test_the_fields_name_campaign_and_edition_only() -> None:
    fields = parse_qs(campaign_fields("weekly", "weekly/2026-06-29T09:00:00Z", "second"))
    assert fields == {
        "utm_source": ["rapport"], "utm_medium": ["email"], "utm_campaign": ["weekly"],
        "utm_id": ["weekly/2026-06-29T09:00:00Z"], "utm_content": ["second"],
    }  # fmt: skip
    assert "utm_content" not in campaign_fields("weekly", "weekly/1")


@pytest.mark.parametrize(
    ("value", "path", "query"),
    [
        ("pot-1", "pot-1", "pot-1"),
        ("a b&c=d", "a%20b&c=d", "a%20b%26c%3Dd"),
        ("a?b#c", "a%3Fb%23c", "a%3Fb%23c"),
        ("caf%C3%A9 100%", "caf%C3%A9%20100%25", "caf%25C3%25A9%20100%25"),
        ("é\"<>'\r\n", "%C3%A9%22%3C%3E'%0D%0A", "%C3%A9%22%3C%3E%27%0D%0A"),
        ("{{ x }}", "%7B%7B%20x%20%7D%7D", "%7B%7B%20x%20%7D%7D"),
        (7, "7", "7"),
    ],
)
def test_data_cannot_leave_its_place_in_an_address(value: object, path: str, query: str) -> None:
    assert (in_path(value), in_query(value)) == (path, query)
    inner = '<a href="https://a.example/s/{{ customer.x }}?q={{ customer.x }}#{{ customer.x }}">x</a>'
    assert links(inner, None, x=value)[0] == f"https://a.example/s/{path}?q={query}#{query}"


@given(st.text())
def test_whatever_the_data_is_host_and_number_of_fields_stay(value: str) -> None:
    address = urlsplit(f"https://a.example/s/{in_path(value)}?q={in_query(value)}&z=1")
    assert address.hostname == "a.example"
    assert parse_qs(address.query, keep_blank_values=True) == {"q": [value], "z": ["1"]}
    assert address.fragment == ""


def test_what_an_author_has_encoded_is_not_encoded_again() -> None:
    inner = '<a href="https://a.example/{{ customer.x | urlencode }}?q={{ customer.x | urlencode }}">x</a>'
    assert links(inner, None, x="a b")[0] == "https://a.example/a%20b?q=a%20b"


def test_clicks_on_the_unsubscribe_link_alone_are_not_counted() -> None:
    inner = '<p><a href="{{ sender.website }}">x</a><a href="https://a.example">y</a></p>'
    document = lxml_html.document_fromstring(compile_mail("a", "b", page(inner)).render(context(0)).html)
    assert [link.get("clicktracking") for link in document.iter("a")] == [None, None, "off"]


def test_no_author_can_use_what_compiling_writes() -> None:
    from rapport.delivery.faults import TemplateMistakes

    with pytest.raises(TemplateMistakes, match="there is no filter _in_path"):
        compile_mail("a", "b", page("{{ customer.x | _in_path }}"))
