"""Templates that are HTML documents: what parsers do to them, and what is refused."""

import re
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from lxml import html as lxml_html

from rapport.delivery.faults import TemplateMistakes
from rapport.delivery.rendering import Rendered, compile_mail

FOOT = '<p>{{ sender.postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'


def page(inner: str, head: str = "") -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><title>{{{{ sender.name }}}}</title>{head}</head><body>'
        f'<div style="display:none">{{{{ preheader }}}}</div>{inner}{FOOT}'
    )


def context(**fields: Any) -> dict[str, Any]:
    return {
        "customer": {"first_name": "Anna", "things": [], **fields},
        "member": {},
        "sender": {"name": "Shop", "postal_address": "1 High Street", "website": "https://shop.example"},
        "unsubscribe_url": "https://shop.example/u/token",
    }


def rendered(inner: str, head: str = "", **fields: Any) -> Rendered:
    return compile_mail("Hello", "Soon", page(inner, head)).render(context(**fields))


def test_a_loop_in_a_table_keeps_its_rows_and_its_place() -> None:
    mail = rendered(
        "<table><thead><tr><th>What</th></tr></thead><tbody>{% for thing in customer.things %}"
        "{% if thing.n > 0 %}<tr><td>{{ thing.name }}</td><td>{{ thing.n }}</td></tr>{% endif %}"
        "{% endfor %}</tbody></table><p>After</p>",
        things=[{"name": "Pot", "n": 1}, {"name": "None", "n": 0}, {"name": "Cup", "n": 2}],
    )
    document = lxml_html.document_fromstring(mail.html)
    rows = [[cell.text for cell in row] for row in document.xpath("//table/tbody/tr")]
    assert rows == [["Pot", "1"], ["Cup", "2"]]
    assert document.xpath("//table/following-sibling::p[1]")[0].text == "After"
    assert "Pot 1\nCup 2\n" in mail.text


def test_styles_become_attributes_and_rules_for_dark_mode_stay() -> None:
    head = "<style>p { color: #112233 } @media (prefers-color-scheme: dark) { p { color: #fff } }</style>"
    html = rendered("<p>Dear {{ customer.first_name }}</p>", head).html
    assert '<p style="color: #112233;">Dear Anna</p>' in html
    assert "prefers-color-scheme: dark" in html


def test_statements_and_comparisons_pass_the_parsers_unharmed() -> None:
    inner = "{# a < b #}{% if customer.n < 3 and customer.n > 1 %}<p>few</p>{% else %}<p>many</p>{% endif %}"
    assert "<p>few</p>" in rendered(inner, n=2).html
    assert "<p>many</p>" in rendered(inner, n=9).html


def test_an_outlook_comment_stays() -> None:
    comment = "<!--[if mso]><table><tr><td><![endif]-->"
    assert comment in rendered(f"{comment}<p>x</p>").html


@pytest.mark.parametrize(
    ("inner", "sentence"),
    [
        ("<table>{% for t in customer.things %}<tr><td>a</td></tr>{% endfor %}</table>", "inside <tbody>"),
        (
            "<table><tbody>{% for t in customer.x %}{{ t }}<tr><td>a</td></tr>{% endfor %}</tbody></table>",
            "text goes into <td>",
        ),
        ("<p>{% if customer.x %}<b>{% endif %}a</b></p>", "cannot stand there"),
        ("<p {% if customer.x %}title='a'{% endif %}>a</p>", "cannot stand there"),
        ("<p {{ customer.x }}>a</p>", "outside a quoted value"),
        ("<{{ customer.x }}>a</p>", "may not name a tag"),
        ("<textarea>{% if customer.x %}a{% endif %}</textarea>", "cannot stand there"),
        ("<!-- {{ customer.x }} -->", "may not stand in an HTML comment"),
        (
            "<img srcset='{{ customer.x }}' src='https://a.example/a' alt='' width='1'>",
            "may not stand in a srcset",
        ),
        ("<style>{{ customer.x }}</style>", "may not stand in <style>"),
        ("<base href='https://x.example'><p>a</p>", "<base> has no place"),
        ("<meta http-equiv='Refresh' content='0; url=https://x.example'>", "lead its reader elsewhere"),
        ("<img src='https://x.example/a.png' width='1'>", "needs alt"),
        ("<img src='https://x.example/a.png' alt=''>", "needs width"),
        ("<img src='http://x.example/a.png' alt='' width='1'>", "none for a picture"),
        ("<a href='http://x.example'>a</a>", "none for a mail"),
        ("<a href='//x.example'>a</a>", "none for a mail"),
        ("<a href='{{ customer.x | url }}/more'>a</a>", "nothing can follow it"),
        ("<a href='{{ sender.website }}{{ customer.x }}'>a</a>", "goes on with /"),
        ("<a href='{{ unsubscribe_url }}?x=1'>a</a>", "nothing can follow it"),
        ("<p>" + "x" * 100_000 + "</p>", "Gmail cuts it off"),
    ],
)
def test_what_a_parser_would_tear_apart_or_a_reader_not_want_is_refused(inner: str, sentence: str) -> None:
    with pytest.raises(TemplateMistakes, match=re.escape(sentence)):
        compile_mail("a", "b", page(inner))


def test_a_mail_needs_its_preheader_and_a_short_one() -> None:
    with pytest.raises(TemplateMistakes, match="preheader }} is nowhere"):
        compile_mail("a", "b", page("x").replace("{{ preheader }}", ""))
    with pytest.raises(TemplateMistakes, match="inboxes show about 100"):
        compile_mail("a", "b" * 151 + "{{ customer.first_name }}", page("x"))


def test_what_is_neither_mjml_nor_a_document_is_refused() -> None:
    with pytest.raises(TemplateMistakes, match="MJML"):
        compile_mail("a", "b", "Hello {{ customer.first_name }}")


def test_compiling_html_fetches_nothing_and_reads_no_file(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    hits: list[object] = []

    def listen() -> None:
        with suppress(OSError):
            hits.append(listener.accept())

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    (tmp_path / "own.css").write_text("p { color: #abcdef }")
    head = (
        f'<link rel="stylesheet" href="{address}/a.css"><style>@import url("{address}/b.css");</style>'
        f'<link rel="stylesheet" href="file://{tmp_path}/own.css">'
        f'<link rel="stylesheet" href="{tmp_path}/own.css">'
    )
    html = rendered("<p>x</p>", head).html
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=5)
    assert hits == []
    assert "#abcdef" not in html
