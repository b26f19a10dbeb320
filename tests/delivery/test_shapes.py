"""Shells and values: for any template and any data they make the mail that plain rendering makes."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from delivery.sendgrid_substitution import Received, received
from delivery.shaped_mails import SENDER, compiled, context
from rapport.delivery.faults import RenderError, TemplateMistakes
from rapport.delivery.mime import Mail
from rapport.delivery.rendering import MailTemplate, Rendered
from rapport.delivery.shapes import ShapedMail, escaped
from rapport.delivery.transports.sendgrid_request import body

BLOCKS = [
    "<h1>Dear {{ customer.name }}</h1>",
    "<p>{{ customer.name }}{{ customer.name }} and {{ customer.other }}</p>",
    '<p title="{{ customer.other }}">{{ customer.name | upper }} {{ customer.name | truncate(9) }}</p>',
    "{% if customer.flag %}<p>{{ customer.name }}</p>{% else %}<p>No {{ customer.other }}</p>{% endif %}",
    "<p>{{ customer.missing | default('nothing') }} {{ customer.nothing or 'there' }}</p>",
    "<p>{{ customer.amount | money('EUR') }} on {{ customer.at | date }}, {{ customer.amount + 1 }}</p>",
    "<p>{{ customer.flag }} {{ customer.amount }} {{ customer.at }} {{ 'a < b' }} {{ 1 + 2 }}</p>",
    '<p><a href="https://shop.example/s/{{ customer.name }}?q={{ customer.other }}">x</a></p>',
    '<p><a href="{{ customer.url | url }}">{{ customer.name }}</a></p>',
    '<p><a href="{{ sender.website }}/{{ customer.other | urlencode }}">{{ customer.url }}</a></p>',
    '<p><img src="https://shop.example/i/{{ customer.other }}.png" alt="{{ customer.name }}" width="9"></p>',
    "<ul>{% for item in customer.items %}<li>{{ loop.index }} {{ item.name }}{% if item.flag %}!{% endif %}"
    "</li>{% else %}<li>Nothing for {{ customer.name }}</li>{% endfor %}</ul>",
    "{% for item in customer.items %}{% for tag in item.tags %}<p>{{ tag }} of {{ item.name }}</p>"
    "{% endfor %}{% endfor %}",
    "{% if customer.flag %}<p>same</p>{% else %}<p>same</p>{% endif %}{% if customer.flag %}{% endif %}",
    '<div style="display:none">{% for item in customer.items %}{{ item.name }}{% endfor %}</div>',
    "{% for item in customer.items if item.flag %}<p>{{ item.name }}</p>{% endfor %}"
    "{% for item in customer.items %}<p>{{ loop.revindex }} {{ item.name }}</p>{% endfor %}",
    '{% for item in customer.items %}<p><a href="https://shop.example/{{ item.name }}">{% if item.flag %}'
    "{{ customer.name }}{% elif customer.flag %}{{ item.name }}{% else %}{{ loop.index }}{% endif %}</a></p>"
    "{% for item in item.tags %}<p>{{ item }}</p>{% else %}<p>{{ item.name }}</p>{% endfor %}{% endfor %}",
    "<p>{{ 'yes' if customer.flag else customer.name }} {{ sender.name }} {{ customer.items | length }}</p>",
]

# What breaks mails, parsers and substitution engines.
HOSTILE = [
    "O'Brien & <b>", "<script>alert(1)</script>", "</p></td>{% endfor %}", "{{ 7 * 7 }} {{name}} {{{x}}}",
    "%name%", "-name-", ":name", "<%asm_group_unsubscribe_raw_url%>", "[unsubscribe]", "[Unsubscribe]",
    "QABCDEFGH00Z", "Q", "Z", "00Z", "a\r\nBcc: evil@mail.example\r\n", "\u202eright to left\u202c שלום",
    "👩‍👩‍👧 🎉", "\x00\x07", "x" * 10_000, "é" * 5_000, "&amp; &lt;", "jinja0e0z <!--jinja0s0z-->", "", " ",
    "a/b?c=d#e", "100% %41 %zz", "$1 \\1 \\g<0>", "\u2028", "\ufeff", "a\tb  c\n\nd",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))
URLS = st.sampled_from(
    [
        "https://shop.example/p/1?a=1&b=2", "https://shop.example", "http://other.example:8080/x#y",
        "https://shop.example/caf%C3%A9", "https://shop.example/café", "https://shop.example?x='y",
        "https://user@shop.example/x", "https://[::1]/x", "https://shop.example/{{x}}",
    ]
)  # fmt: skip
ITEMS = st.fixed_dictionaries({"name": TEXTS, "flag": st.booleans(), "tags": st.lists(TEXTS, max_size=2)})
PEOPLE = st.fixed_dictionaries(
    {
        "name": TEXTS,
        "other": TEXTS,
        "flag": st.booleans(),
        "nothing": st.none(),
        "amount": st.one_of(
            st.decimals("-1e6", "1e6", places=2), st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6)
        ),
        "at": st.datetimes(datetime(1999, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
        "url": URLS,
        "items": st.lists(ITEMS, max_size=3),
    }
)


def data(number: int, person: dict[str, Any]) -> dict[str, Any]:
    return {**context(number), "customer": person}


def mail(number: int, template: MailTemplate, person: dict[str, Any]) -> Mail:
    return Mail(
        message_id=UUID(int=number),
        recipient=f"anna{number}@mail.example",
        sender=SENDER,
        rendered=template.shape(data(number, person)),
        unsubscribe_url=f"https://shop.example/u/token{number}",
        due_at=datetime(2026, 6, 29, 9, tzinfo=UTC),
    )


def contents(rendered: Rendered | ShapedMail | Received) -> tuple[str, str, str]:
    return rendered.subject, rendered.html, rendered.text


def shared(mails: list[Mail]) -> list[list[Mail]]:
    """The shaped mails by shell, of any number: what requests are made of."""
    shaped = [one for one in mails if isinstance(one.rendered, ShapedMail)]
    shaped.sort(key=lambda one: id(one.rendered.shell))  # type: ignore[union-attr]
    return [list(group) for _, group in groupby(shaped, key=lambda one: one.rendered.shell)]  # type: ignore[union-attr]


@given(
    blocks=st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=6),
    people=st.lists(PEOPLE, min_size=1, max_size=5),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@example(
    blocks=BLOCKS,
    people=[
        {
            "name": text, "other": HOSTILE[-number], "flag": bool(number % 2), "nothing": None,
            "amount": Decimal(number), "at": datetime(2026, 1, 1, tzinfo=UTC), "url": "https://shop.example/p?a=1",
            "items": [{"name": text, "flag": True, "tags": ["QABCDEFGH00Z", text]}] * (number % 3),
        }
        for number, text in enumerate(HOSTILE)
    ],
    seed=0,
)  # fmt: skip
def test_what_is_substituted_is_what_is_rendered(
    blocks: list[str], people: list[dict[str, Any]], seed: int
) -> None:
    template = compiled("".join(blocks), "For {{ customer.name }}", "Dear {{ customer.other }}")
    people = people + [{**people[0], "name": person["other"]} for person in people]
    mails: list[Mail] = []
    plain: dict[int, Rendered] = {}
    for number, person in enumerate(people):
        try:
            plain[number] = template.render(data(number, person))
        except RenderError as error:
            with pytest.raises(RenderError, match=re.escape(str(error))):
                template.shape(data(number, person))
            continue
        mails.append(one := mail(number, template, person))
        assert contents(one.rendered) == contents(plain[number])
    letters = Random(seed)
    for group in shared(mails):
        # The first nonce is one that stands in the data above.
        drawn = iter(["ABCDEFGH"])
        made = body(group, 7, draw=lambda d=drawn: next(d, None) or "".join(letters.choices("AB01", k=8)))  # type: ignore[misc]
        for mine, theirs in zip(group, received(made), strict=True):
            assert contents(theirs) == contents(plain[mine.message_id.int])


@given(st.text())
def test_escaping_is_that_of_plain_rendering(text: str) -> None:
    assert escaped(text) == str(escape(text))


def shape(template: MailTemplate, **fields: Any) -> ShapedMail | Rendered:
    return template.shape(context(0, **fields))


def test_people_who_meet_the_same_conditions_share_a_shell() -> None:
    template = compiled()
    first, second = shape(template), template.shape(context(3, first_name="<b>"))
    assert isinstance(first, ShapedMail)
    assert isinstance(second, ShapedMail)
    assert first.shell is second.shell
    other = shape(template, city="Ulm")
    assert isinstance(other, ShapedMail)
    assert other.shell is not first.shell
    assert len({id(template.shape(context(number)).shell) for number in range(9)}) == 3  # type: ignore[union-attr]


def test_what_is_the_same_for_all_is_no_slot() -> None:
    rendered = shape(compiled("<p>{{ sender.name }} {{ sender.website }} {{ 'constant' }} {{ 1 + 1 }}</p>"))
    assert isinstance(rendered, ShapedMail)
    assert rendered.values == ["Soon", "u/token0", "u/token0"]


@pytest.mark.parametrize(
    ("url", "is_shaped"),
    [
        ("https://shop.example/p?a=1&b=2#c", True),
        ("https://shop.example", True),
        ("https://shop.example/caf%C3%A9", True),
        ("https://shop.example/café", False),
        ("https://shop.example/{{x}}", False),
        ("https://user@shop.example/", False),
        ("https://münchen.example/", False),
    ],
)
def test_an_address_is_shared_if_its_host_can_stand_in_the_shell(url: str, is_shaped: bool) -> None:
    template = compiled('<p><a href="{{ customer.url | url }}">x</a></p>')
    rendered = shape(template, url=url)
    plain = template.render(context(0, url=url))
    assert isinstance(rendered, ShapedMail) == is_shaped
    assert (rendered.html, rendered.text) == (plain.html, plain.text)


def test_two_hosts_are_two_shells() -> None:
    template = compiled('<p><a href="{{ customer.url | url }}">x</a></p>')
    shells = {
        id(shape(template, url=url).shell)  # type: ignore[union-attr]
        for url in ("https://a.example/1", "https://a.example/2", "https://b.example/1", "https://a.example")
    }
    assert len(shells) == 3


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"first_name": None}, "give it a fallback"),
        ({"first_name": ["x"]}, "a list or a record"),
        ({"cards": "none"}, "no list"),
        ({"cards": [{"name": "x", "url": "javascript:x", "price": 1}]}, "no http(s) address"),
        ({"cards": [{"name": "x", "url": "https://a.example", "price": "x"}]}, "no number"),
        ({"cards": [{}]}, "no attribute 'name'"),
        (
            {"cards": [{"name": "x" * 9_000, "url": "https://a.example", "price": 1}] * 99},
            "larger than 500 KB",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused_as_in_plain_rendering(
    fields: dict[str, Any], sentence: str
) -> None:
    template = compiled()
    for render in (template.shape, template.render):
        with pytest.raises(RenderError) as raised:
            render(context(0, **fields))
        assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("construct", "sentence"),
    [
        ("{% filter upper %}{{ customer.first_name }}{% endfilter %}", "{% filter %} is not allowed"),
        (
            "{% set name %}{{ customer.first_name }}{% endset %}{{ name | length }}",
            "{% set %} is not allowed",
        ),
        ("{% set name = customer.first_name %}{{ name }}", "{% set %} is not allowed"),
        ("{% macro name() %}{{ customer.first_name }}{% endmacro %}{{ name() | upper }}", "not allowed"),
        ("{% call name() %}{{ customer.first_name }}{% endcall %}", "not allowed"),
        ("{% for item in customer.cards recursive %}{{ loop(item) }}{% endfor %}", "not allowed"),
        ("{% block name %}{{ customer.first_name }}{% endblock %}", "{% block %} is not allowed"),
        ("{{ self.name() | upper }}", "calls are not allowed"),
    ],
)
def test_what_would_work_on_what_was_written_is_refused(construct: str, sentence: str) -> None:
    with pytest.raises(TemplateMistakes, match=re.escape(sentence)):
        compiled(construct)


def test_filters_loops_and_conditions_see_data_and_never_a_tag() -> None:
    template = compiled(
        "<p>{{ customer.first_name | length }} {{ customer.first_name | upper | truncate(9) }}"
        "{% if customer.first_name == 'Anna 0' %} it is her{% endif %}</p>"
    )
    rendered = shape(template)
    assert isinstance(rendered, ShapedMail)
    assert rendered.values[1:3] == ["6", "ANNA 0"]
    assert "it is her" in rendered.html


def test_shells_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapport.delivery.shapes.MOST_SHELLS", 3)
    template = compiled("<p>{% for card in customer.cards %}x{% endfor %}</p>")
    for count in range(9):
        rendered = shape(template, cards=[{}] * count)
        assert rendered.html == template.render(context(0, cards=[{}] * count)).html
    assert len(template._shapes._shells) <= 3
