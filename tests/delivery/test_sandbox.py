"""What a mail's Jinja may do, and what stops it."""

from decimal import Decimal
from typing import Any

import pytest

from rapport.delivery.faults import RenderError
from rapport.delivery.sandbox import MailEnvironment, mistakes_in

HTML = MailEnvironment(is_html=True)


def render(source: str, **context: Any) -> str:
    assert list(mistakes_in(source, HTML)) == []
    return HTML.compiled(source).render(context)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("{{ name.upper() }}", "calls are not allowed"),
        ("{{ range(9) }}", "calls are not allowed"),
        ("{% set x = 1 %}", "{% set %} is not allowed"),
        ("{% set x %}a{% endset %}", "{% set %} is not allowed"),
        ("{% macro m() %}{% endmacro %}", "macros are not allowed"),
        ("{% filter upper %}a{% endfilter %}", "{% filter %} is not allowed"),
        ("{{ 2 ** 9 }}", "pow is not allowed"),
        ("{{ '%99999999d' % 3 }}", "mod is not allowed"),
        ("{{ 'a' ~ 'b' }}", "concat is not allowed"),
        ("{{ name | safe }}", "there is no filter safe"),
        ("{{ name | uppr }}", "did you mean upper?"),
        ("{{ name is defned }}", "did you mean defined?"),
        ("{% include 'a' %}", "an include names one file"),
        ("{% extends 'a' %}", "{% extends %} is not allowed"),
        ("{% for a in x %}{% for b in a %}{% for c in b %}{% endfor %}{% endfor %}{% endfor %}", "2 deep"),
        ("{% for a in x %}", "endfor"),
    ],
)
def test_syntax_that_no_mail_needs_is_refused(source: str, sentence: str) -> None:
    ((line, found),) = mistakes_in("one\ntwo " + source, HTML)
    assert line == 2
    assert sentence in found


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("{{ 'a' * 1000 }}", "numbers only"),
        ("{{ name + name }}", "numbers only"),
        ("{{ big * big }}", "beyond 10^18"),
        ("{{ name.__class__ }}", "no attribute"),
        ("{{ customer.nope }}", "no attribute 'nope'"),
        ("{{ customer.keys }}", "no attribute 'keys'"),
        ("{{ things.append }}", "no attribute"),
        ("{% for x in things %}{{ loop.cycle }}{% endfor %}", "no attribute"),
        ("{% for x in many %}a{% endfor %}", "more than 200 items"),
        ("{% for x in name %}a{% endfor %}", "no list"),
        (
            "{% for a in hundred %}{% for b in hundred %}{{ long }}{% endfor %}{% endfor %}",
            "larger than 500 KB",
        ),
        (
            "{% for a in hundred %}{% for b in hundred %}{{ thirty_letters }}{% endfor %}{% endfor %}",
            "larger than 500 KB",
        ),
        ("{{ customer.empty }}", "give it a fallback"),
        ("{{ customer.empty | upper }}", "give it a fallback"),
        ("{{ customer }}", "a list or a record"),
        ("{{ name | money }}", "no number"),
        ("{{ name | date }}", "no date"),
        ("{{ 'javascript:alert(1)' | url }}", "no http(s) address"),
        ("{{ customer.empty + 1 }}", "numbers only"),
    ],
)
def test_what_only_shows_when_rendering_stops_that_mail(source: str, sentence: str) -> None:
    with pytest.raises(RenderError) as raised:
        render(
            source,
            name="Secret Name",
            customer={"empty": None},
            things=[1],
            many=list(range(201)),
            hundred=list(range(100)),
            thirty_letters="é" * 30,
            long="x" * 100,
            big=10**19,
        )
    assert sentence in str(raised.value)
    assert "Secret" not in str(raised.value)


def test_what_mails_need_works() -> None:
    customer = {
        "first_name": None,
        "things": [{"name": "a&b", "price": Decimal("3.5")}],
        "at": "2026-07-03T10:00:00Z",
    }
    assert render("{{ c.first_name or 'there' }}", c=customer) == "there"
    assert render("{{ c.first_name | default('you', true) }}", c=customer) == "you"
    assert (
        render("{% for t in c.things %}{{ loop.index }} {{ t.name }}{% endfor %}", c=customer) == "1 a&amp;b"
    )
    assert render(
        "{{ c.things[0].price * 2 | round }} {{ c.things[0]['price'] | money('EUR') }}", c=customer
    ) == ("7.0 3.50 EUR")
    assert render("{{ 1234567.891 | money }} {{ c.at | date }}", c=customer) == "1,234,567.89 3 July 2026"
    assert render("{{ 'https://a.example/x?y=1' | url }}") == "https://a.example/x?y=1"


def test_jinja_in_data_stays_text() -> None:
    assert render("{{ name }}", name="{{ 7 * 7 }}{% for %}") == "{{ 7 * 7 }}{% for %}"
