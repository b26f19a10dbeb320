"""What recipients see: readable by everybody, in both themes."""

import re

import pytest
from public_application import SENDER

from rapport.delivery.configuration import Topic
from rapport.public.pages import TEMPLATES, Pages

PAGES = Pages(SENDER, {"news": Topic(title="New teas")})
STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")


def luminance(colour: str) -> float:
    """Of a colour like #1b1f27; WCAG 2.2, relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read(theme: int) -> None:
    """WCAG 2.2 AA: 4.5 for text, 3 for the edges of controls."""
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", re.split(r"@media \(prefers", STYLE)[theme]))
    assert len(colours) == 9
    for text, ground in (
        ("text", "card"),
        ("quiet", "card"),
        ("quiet", "ground"),
        ("strong", "card"),
        ("strong", "ground"),
        ("on-strong", "strong"),
        ("good", "card"),
    ):
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["line"], colours["card"]) >= 3


@pytest.mark.parametrize(
    "page",
    [
        PAGES.confirm("news", "a***@m***.example", ["offers"], is_wanted=True),
        PAGES.confirm("news", None, [], is_wanted=True),
        PAGES.confirm("all", "a***@m***.example", ["offers"], is_wanted=True),
        PAGES.confirm("all", "a***@m***.example", [], is_wanted=False),
        PAGES.done(["news"], "a***@m***.example", ["offers"]),
        PAGES.done(["all"], None, []),
        PAGES.done([], None, ["offers"]),
        PAGES.no_such_link(),
        PAGES.too_many(),
        PAGES.unavailable(),
    ],
)
def test_every_page_is_whole_and_loads_nothing(page: object) -> None:
    text = page.body.decode()  # type: ignore[attr-defined]
    assert text.count("<h1>") == 1
    assert '<html lang="en">' in text
    assert "width=device-width" in text
    assert "<title>" in text
    assert "1 High Street, Bath" in text
    assert not re.search(r"<(script|img|link|iframe)|url\(|@import|\bon[a-z]+=|style=", text)
    for form in re.findall(r"<form[^>]*>", text):
        assert form == '<form method="post">'
    for box in re.findall(r"<input type=\"checkbox\".*", text):
        assert re.search(r"<label><input [^>]*> <span>[^<]+</span></label>", text), box
