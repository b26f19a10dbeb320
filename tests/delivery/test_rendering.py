"""From MJML with Jinja in it to HTML and text."""

import re
import socket
import threading
from contextlib import suppress
from typing import Any

import pytest
from lxml import html as lxml_html

from rapport.delivery.faults import TemplateMistakes
from rapport.delivery.rendering import MailTemplate, Rendered, compile_mail

HEAD = "<mjml><mj-head><mj-preview>{{ preheader }}</mj-preview></mj-head><mj-body>"
FOOT = (
    "<mj-section><mj-column><mj-text>{{ sender.postal_address }} "
    '<a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text></mj-column></mj-section></mj-body></mjml>'
)


def column(inner: str) -> str:
    return f"{HEAD}<mj-section><mj-column>{inner}</mj-column></mj-section>{FOOT}"


def context(**fields: Any) -> dict[str, Any]:
    return {
        "customer": {"first_name": "Anna", "things": [], **fields},
        "member": {},
        "sender": {"postal_address": "1 High Street", "website": "https://shop.example"},
        "unsubscribe_url": "https://shop.example/u/token",
    }


def compiled(inner: str, subject: str = "Hello", preheader: str = "Soon") -> MailTemplate:
    return compile_mail(subject, preheader, column(inner))


def rendered(inner: str, **fields: Any) -> Rendered:
    return compiled(inner).render(context(**fields))


def test_a_loop_keeps_its_rows_in_the_table() -> None:
    mail = rendered(
        "<mj-table><tbody>{% for thing in customer.things %}"
        "<tr><td>{{ thing.name }}</td><td>{{ thing.n }}</td></tr>{% endfor %}</tbody></mj-table>",
        things=[{"name": "Pot", "n": 1}, {"name": "Cup", "n": 2}],
    )
    rows = [
        [cell.text for cell in row.findall("td")]
        for row in lxml_html.document_fromstring(mail.html).iter("tr")
        if row.findall("td") and row.findtext("td") in ("Pot", "Cup")
    ]
    assert rows == [["Pot", "1"], ["Cup", "2"]]
    assert "Pot 1\nCup 2\n" in mail.text


def test_a_comparison_and_a_comment_in_jinja_survive_the_parsers() -> None:
    source = (
        "{# a < b > c #}{% if customer.n < 3 and customer.n > 1 %}<mj-text>few</mj-text>"
        "{% else %}<mj-text>many</mj-text>{% endif %}"
    )
    assert "few" in rendered(source, n=2).html
    assert "many" in rendered(source, n=4).html
    assert "a < b" not in rendered(source, n=2).text


def test_the_text_part_says_what_the_html_says_with_links_as_addresses() -> None:
    mail = rendered(
        "<mj-text><h1>Dear {{ customer.first_name }}</h1></mj-text>"
        "{% if customer.things %}<mj-text>Never shown</mj-text>{% endif %}"
        "<mj-text>We &amp; you</mj-text>"
        '<mj-button href="{{ sender.website }}/new?a=1&amp;b=2">Look</mj-button>'
    )
    assert mail.text == (
        "Dear Anna\n\nWe & you\n\nLook: https://shop.example/new?a=1&b=2\n\n"
        "1 High Street Unsubscribe: https://shop.example/u/token\n"
    )


def test_a_condition_inside_a_link_is_one_in_the_text_too() -> None:
    link = (
        '<mj-text><a href="https://a.example">{% if customer.n %}More{% else %}Less{% endif %}</a></mj-text>'
    )
    assert rendered(link, n=1).text.startswith("More: https://a.example\n")
    assert rendered(link, n=0).text.startswith("Less: https://a.example\n")


def test_the_preheader_is_in_the_html_only() -> None:
    mail = compiled("<mj-text>Body</mj-text>", preheader="For {{ customer.first_name }} & you").render(
        context()
    )
    assert "For Anna &amp; you" in mail.html
    assert "For Anna" not in mail.text


@pytest.mark.parametrize(
    "value",
    [
        "<script>alert(1)</script>",
        "<b>bold</b> & \"quoted\" 'so'",
        "{{ 7 * 7 }} {% if x %}",
        "%name% -name- :name <%asm_group_unsubscribe_raw_url%> [unsubscribe]",
        "a\r\nBcc: evil@mail.example",
        "--> <!-- jinja0s0z jinja0e0z",
        "\u202eright to left 🎉 \x00",
        "x" * 10_000,
    ],
)
def test_hostile_values_arrive_as_text_and_change_no_structure(value: str) -> None:
    template = compiled(
        '<mj-text><p title="{{ customer.first_name }}">{{ customer.first_name }}</p></mj-text>'
    )
    mail, harmless = template.render(context(first_name=value)), template.render(context())
    shape = [element.tag for element in lxml_html.document_fromstring(harmless.html).iter()]
    document = lxml_html.document_fromstring(mail.html.replace("\x00", ""))
    assert [element.tag for element in document.iter()] == shape
    paragraph = document.find(".//p[@title]")
    assert paragraph is not None
    assert paragraph.text.replace("\r", "") == value.replace("\x00", "").replace("\r", "")
    assert value in mail.text


def test_the_subject_is_one_line_of_plain_text() -> None:
    mail = compiled("<mj-text>x</mj-text>", subject="For {{ customer.first_name }}").render(
        context(first_name="A & <b>\r\nBcc: x@y.example\u2028\x00z")
    )
    assert mail.subject == "For A & <b> Bcc: x@y.example z"


@pytest.mark.parametrize(
    ("inner", "sentence"),
    [
        ("<mj-text>open", "this is no MJML"),
        ('<mj-include path="/etc/passwd" />', "this is no MJML"),
        (
            "<mj-table>{% for t in customer.things %}<tr><td>a</td></tr>{% endfor %}</mj-table>",
            "inside <tbody>",
        ),
        ("<mj-text>{% if customer.x %}<b>{% endif %}a</b></mj-text>", "cannot stand there"),
        ('<mj-text><a href="{{ customer.link }}">a</a></mj-text>', "needs the filter url"),
        ('<mj-text><a href="https://{{ customer.host }}/x">a</a></mj-text>', "the host of an address"),
        ('<mj-text><a href="javascript:alert(1)">a</a></mj-text>', "none for a mail"),
        ('<mj-text><p style="color: {{ customer.x }}">a</p></mj-text>', "may not stand in a style"),
        ('<mj-text><p onclick="x()">a</p></mj-text>', "onclick has no place"),
        ("<mj-text><script>x()</script></mj-text>", "<script> has no place"),
        ("<mj-text>{{ 'a'.upper() }}</mj-text>", "template, line 1: calls are not allowed"),
    ],
)
def test_a_template_that_would_break_or_harm_is_refused(inner: str, sentence: str) -> None:
    with pytest.raises(TemplateMistakes, match=re.escape(sentence)):
        compiled(inner)


@pytest.mark.parametrize("missing", ["sender.postal_address", "unsubscribe_url"])
def test_a_template_without_unsubscribe_link_or_postal_address_is_refused(missing: str) -> None:
    source = column("").replace(f"{{{{ {missing} }}}}", "https://else.example")
    with pytest.raises(TemplateMistakes, match=f"{missing} }}}} is nowhere"):
        compile_mail("a", "b", source)


def test_compiling_fetches_nothing() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    hits: list[object] = []

    def listen() -> None:
        with suppress(OSError):
            hits.append(listener.accept())

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{port}"
    template = compile_mail(
        "a",
        "b",
        column(
            f'<mj-raw><link rel="stylesheet" href="{address}/a.css" /></mj-raw><mj-text>x</mj-text>'
        ).replace("</mj-head>", f'<mj-font name="Own" href="{address}/font.css" /></mj-head>'),
    )
    template.render(context())
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=5)
    assert hits == []


def test_a_font_that_readers_may_have_is_not_fetched_for_them() -> None:
    html = rendered('<mj-text font-family="Roboto, Arial">x</mj-text>').html
    assert "Roboto, Arial" in html
    assert "googleapis" not in html


def test_rules_for_dark_mode_and_phones_stay() -> None:
    source = column("<mj-text>x</mj-text>").replace(
        "</mj-head>",
        "<mj-style>@media (prefers-color-scheme: dark) { p { color: #fff } }</mj-style></mj-head>",
    )
    html = compile_mail("a", "b", source).render(context()).html
    assert "prefers-color-scheme: dark" in html
    assert "min-width:480px" in html
