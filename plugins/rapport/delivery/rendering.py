"""From a campaign's template to the mail of one person: compiled once an edition, rendered once a message."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import css_inline
import mrml
from lxml import html as lxml_html  # type: ignore[import-untyped]

from rapport.delivery.faults import TemplateMistakes
from rapport.delivery.hiding import Hidden, hide, moved_statements
from rapport.delivery.sandbox import BoundTemplate, MailEnvironment, mistakes_in
from rapport.delivery.shapes import NoShell, ShapedMail, Shapes
from rapport.delivery.text_part import text_source

HTML = MailEnvironment(is_html=True)
TEXT = MailEnvironment(is_html=False)

_URL_ATTRIBUTES = ("href", "src", "background", "action")
_TRUSTED_URLS = ("unsubscribe_url", "sender.website", "sender.unsubscribe_url")
_FETCHES_NOTHING = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)


@dataclass(frozen=True)
class Rendered:
    """One person's mail. `subject` is one line."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class MailTemplate:
    """Subject, preheader, HTML and text of a campaign, compiled."""

    subject: BoundTemplate
    preheader: BoundTemplate
    html: BoundTemplate
    text: BoundTemplate
    html_source: str
    text_source: str

    def render(self, context: Mapping[str, Any]) -> Rendered:
        """Render for one person; `context` holds plain data: customer, member, sender, unsubscribe_url.

        Raises:
            RenderError: this person's data does not fit the template.
        """
        whole = {**context, "preheader": one_line(self.preheader.render(context))}
        return Rendered(
            subject=one_line(self.subject.render(context)),
            html=self.html.render(whole),
            text=self.text.render(whole),
        )

    def shape(self, context: Mapping[str, Any]) -> ShapedMail | Rendered:
        """Render for one person, as a shell that others share and this person's values.

        `context` as for `render`, and so is the outcome: subject, html and text are the same, byte for byte.
        It is a Rendered where this person's mail fits no shell, because an address has no plain host.

        Raises:
            RenderError: this person's data does not fit the template.
        """
        whole = {**context, "preheader": one_line(self.preheader.render(context))}
        subject = one_line(self.subject.render(context))
        try:
            return self._shapes.shape(whole, subject)
        except NoShell:
            return Rendered(subject, self.html.render(whole), self.text.render(whole))

    @cached_property
    def _shapes(self) -> Shapes:
        return Shapes(self.html_source, self.text_source)


def compile_mail(subject: str, preheader: str, source: str) -> MailTemplate:
    """Compile a campaign's Jinja subject and preheader and its MJML template (includes expanded).

    Nothing is fetched and no file is read.

    Raises:
        TemplateMistakes: the template is no MJML, or holds what a mail may not hold.
    """
    mistakes = [
        f"{what}, line {line}: {sentence}"
        for what, text in (("subject", subject), ("preheader", preheader), ("template", source))
        for line, sentence in mistakes_in(text, HTML)
    ]
    if mistakes:
        raise TemplateMistakes(mistakes)
    hidden = hide(source, HTML)
    html = _inlined(hidden.text)
    mistakes = list(_misplaced(hidden, html))
    if mistakes:
        raise TemplateMistakes(mistakes)
    html_source, plain_source = hidden.put_back(html), text_source(hidden, html)
    return MailTemplate(
        subject=TEXT.compiled(subject),
        preheader=TEXT.compiled(preheader),
        html=HTML.compiled(html_source),
        text=TEXT.compiled(plain_source),
        html_source=html_source,
        text_source=plain_source,
    )


def one_line(text: str) -> str:
    """The text with every run of white space and control characters as one space."""
    if text.isprintable() and "  " not in text:
        return text.strip()
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()


def _inlined(mjml: str) -> str:
    try:
        html = mrml.to_html(
            mjml, mrml.ParserOptions(include_loader=mrml.noop_loader()), mrml.RenderOptions(fonts={})
        ).content
    except OSError as error:
        raise TemplateMistakes([f"this is no MJML: {str(error).splitlines()[0]}"]) from None
    return _FETCHES_NOTHING.inline(html)


def _misplaced(hidden: Hidden, html: str) -> Iterator[str]:
    document = lxml_html.document_fromstring(html)
    parents: dict[int, lxml_html.HtmlElement | None] = {}
    for comment in document.iter(lxml_html.etree.Comment):
        if found := re.fullmatch(rf"{hidden.word}s(\d+)z", comment.text or ""):
            parents[int(found[1])] = comment.getparent()
    if statement := moved_statements(hidden, html, parents):
        yield (
            f"{statement} cannot stand there; a block goes around whole elements of one parent, "
            "in a table inside <tbody>, and never into a tag"
        )
    shown = set(hidden.words(html))
    for number, expression in enumerate(hidden.expressions):
        if number not in shown:
            yield f"{expression} is in a place that no reader sees"
    for element in document.iter():
        if isinstance(element.tag, str):
            yield from _unsafe(hidden, element)
    used = " ".join(hidden.expressions)
    for name in ("unsubscribe_url", "sender.postal_address"):
        if name not in used:
            yield f'{{{{ {name} }}}} is nowhere in the template; {{% include "footer.mjml" %}} has it'


def _unsafe(hidden: Hidden, element: lxml_html.HtmlElement) -> Iterator[str]:
    if element.tag in ("script", "iframe", "object", "form"):
        yield f"<{element.tag}> has no place in a mail"
    if element.tag == "style" and hidden.words(element.text or ""):
        yield "an expression may not stand in <style>"
    for name, value in element.attrib.items():
        numbers = hidden.words(value)
        if hidden.words(name) or hidden.words(element.tag):
            yield "an expression may not stand in a tag outside a quoted value"
        elif name.startswith("on"):
            yield f"{name} has no place in a mail"
        elif name == "style" and numbers:
            yield f"{hidden.expressions[numbers[0]]} may not stand in a style"
        elif name in _URL_ATTRIBUTES:
            yield from _unsafe_address(hidden, value.strip())


def _unsafe_address(hidden: Hidden, address: str) -> Iterator[str]:
    numbers = hidden.words(address)
    if numbers and address.startswith(hidden.word_of(numbers[0])):
        expression = hidden.expressions[numbers[0]].strip("{}-+ \t\n")
        if expression not in _TRUSTED_URLS and not re.search(r"\|\s*url$", expression):
            yield f"the address {{{{ {expression} }}}} needs the filter url: {{{{ {expression} | url }}}}"
    elif numbers and re.match(rf"https?://[^/?#]*{hidden.word}", address):
        yield f"the host of an address is no place for {hidden.expressions[numbers[0]]}"
    elif not re.match(r"(https?://|mailto:|tel:|#)", address):
        yield f"the address {address} is none for a mail; it starts with https://, mailto: or tel:"
