"""The plain-text part of a mail, made once a template from its HTML."""

import re

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml import html as lxml_html  # type: ignore[import-untyped]

from rapport.delivery.hiding import Hidden

_LAYOUT = {"table": "div", "tbody": "div", "thead": "div", "tr": "div", "td": "span", "th": "span"}


def text_source(hidden: Hidden, html: str) -> str:
    """The Jinja source of the text part of a document that still has its Jinja hidden.

    Layout tables become lines; a link becomes `its text: its address`; statements keep their place.
    """
    document = lxml_html.document_fromstring(html)
    for comment in list(document.iter(lxml_html.etree.Comment)):
        _show_statement(hidden, comment)
    for element in list(document.iter("*")):
        if element.tag in ("head", "style", "script") or "display:none" in _style(element):
            element.drop_tree()
        elif element.tag == "a" and (address := element.get("href")):
            _show_address(element, address)
    for element in list(document.iter(*_LAYOUT)):
        # A row of the layout holds blocks and stands apart; the cells of a row of data share a line.
        holds_blocks = any(True for _ in element.iterdescendants("div", "p", "table"))
        is_row = element.tag == "tr"
        element.tag = "div" if holds_blocks else _LAYOUT[element.tag]
        if holds_blocks and is_row:
            element.set("style", "margin-top:1em;margin-bottom:1em")
        if element.tag == "span":
            element.tail = " " + (element.tail or "")
    text = get_text(
        lxml_html.tostring(document, encoding="unicode"), ParserConfig(css=CSS_PROFILES["strict"])
    )
    return _tidy(hidden, text)


def _style(element: lxml_html.HtmlElement) -> str:
    return (element.get("style") or "").replace(" ", "")


def _show_statement(hidden: Hidden, comment: lxml_html.HtmlElement) -> None:
    word = f"{hidden.word}s"
    shown = comment.text if comment.text and comment.text.startswith(word) else ""
    parent, before = comment.getparent(), comment.getprevious()
    tail = shown + (comment.tail or "")
    if parent is None:
        return
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    comment.tail = None
    parent.remove(comment)


def _show_address(link: lxml_html.HtmlElement, address: str) -> None:
    said = " ".join(link.text_content().split())
    address = address.removeprefix("mailto:").removeprefix("tel:")
    for child in list(link):
        child.drop_tree()
    link.text = f"{said}: {address}" if said and said != address else address


def _tidy(hidden: Hidden, text: str) -> str:
    """Trim the lines, and put each statement that has a line to itself in front of the next line.

    Jinja would leave its line behind empty, one for each turn of a loop. The blank line after it goes too
    where there is one before it, so that a block that is left out leaves no gap.
    """
    statement = rf"{hidden.word}s\d+z"
    lines: list[str] = []
    waiting, is_gap = "", True
    for line in (" ".join(line.split()) for line in text.splitlines()):
        if re.fullmatch(rf"(?:{statement} ?)+", line):
            waiting += line.replace(" ", "")
        elif line or not is_gap:
            lines.append(waiting + line)
            waiting, is_gap = "", not line
    text = "\n".join(lines).rstrip() + "\n" + waiting
    return hidden.put_back(re.sub(rf"({statement})", r"<!--\1-->", text))
