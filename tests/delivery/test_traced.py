"""The trace of a template: which way it went, and what decides each of its values."""

from typing import Any

import pytest
from markupsafe import Markup

from delivery.shaped_mails import compiled, context
from rapport.delivery.rendering import Rendered
from rapport.delivery.shapes import ShapedMail, Shapes
from rapport.delivery.traced import NoShell, Trace, TracingEnvironment, read_trace, trace


def traced(source: str, **data: Any) -> Trace:
    return trace(TracingEnvironment(is_html=True, expressions={}).loaded(source), data)[0]


def turns(source: str, **data: Any) -> list[tuple[int, ...]]:
    """For each value the turns of the loops that it stands in."""
    return [tuple(turn for _, turn in around) for around, _ in read_trace(traced(source, **data))[1]]


def test_values_are_known_by_the_turns_around_them() -> None:
    source = (
        "{{ a }}{% for x in xs %}{{ x }}{% for y in ys %}{{ y }}{% endfor %}{{ x }}{% endfor %}{{ a }}"
        "{% for x in ys %}{{ x }}{% endfor %}"
    )
    assert turns(source, a=1, xs=[1, 2], ys=[3, 4]) == [
        (), (0,), (0, 0), (0, 1), (0,), (1,), (1, 0), (1, 1), (1,), (), (0,), (1,),
    ]  # fmt: skip


def test_turns_of_two_loops_are_not_the_same() -> None:
    source = "{% for x in xs %}{{ x }}{% endfor %}{% for x in ys %}{{ x }}{% endfor %}"
    first, second = read_trace(traced(source, xs=[1], ys=[2]))[1]
    assert first != second
    again, same = read_trace(traced(source.replace("ys", "xs"), xs=[1]))[1]
    assert again == same


@pytest.mark.parametrize(
    "source",
    [
        "{% if a %}x{% else %}x{% endif %}",
        "{% if a %}{% endif %}x",
        "{% if b %}x{% elif a %}x{% else %}x{% endif %}",
        "{% for i in a %}{% else %}{% endfor %}x",
    ],
)
def test_branches_that_write_the_same_are_told_apart(source: str) -> None:
    one, other = (traced(source, a=a, b=[]) for a in ([1], []))
    assert read_trace(one)[0] == read_trace(other)[0]
    assert one != other
    assert traced(source, a=[2], b=[]) == one


def test_what_the_text_part_leaves_out_does_not_keep_mails_apart() -> None:
    template = compiled(
        '<div style="display:none">{% for card in customer.cards %}{{ card.name }}'
        "{% if card.price %}{{ card.price }}{% endif %}{% endfor %}</div>"
        "<p>{{ customer.first_name }}{% for card in customer.cards %}{{ card.name }}{% endfor %}</p>"
    )
    for number in range(6):
        rendered = template.shape(context(number))
        assert isinstance(rendered, ShapedMail)
        assert rendered.text == template.render(context(number)).text


def test_a_mail_of_too_many_pieces_is_rendered_plainly() -> None:
    template = compiled(
        "{% for a in customer.xs %}{% for b in customer.xs %}<i>x</i>{% endfor %}{% endfor %}"
    )
    small, large = (template.shape(context(0, xs=[1] * count)) for count in (30, 100))
    assert isinstance(small, ShapedMail)
    assert isinstance(large, Rendered)
    assert large == template.render(context(0, xs=[1] * 100))


def test_what_is_escaped_already_is_rendered_plainly() -> None:
    template = compiled()
    rendered = template.shape(context(0, first_name=Markup("<b>")))
    assert isinstance(rendered, Rendered)
    assert "<b>" in rendered.html


def test_a_text_that_says_what_its_html_does_not_has_no_shell() -> None:
    assert Shapes("<p>{{ a }} {{ b }}</p>", "{{ b }}").shape({"a": "1", "b": "2"}, "s").text == "2"
    with pytest.raises(NoShell):
        Shapes("<p>{{ a }}</p>", "{{ b }}").shape({"a": "1", "b": "2"}, "s")
