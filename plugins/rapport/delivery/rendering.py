"""From a campaign's template to the mail of one person: compiled once an edition, rendered once a message."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import css_inline
import mrml

from rapport.delivery.faults import TemplateMistakes
from rapport.delivery.hiding import Hidden, hide
from rapport.delivery.links import with_safe_addresses
from rapport.delivery.sandbox import BoundTemplate, MailEnvironment, mistakes_in
from rapport.delivery.shapes import ShapedMail, Shapes
from rapport.delivery.template_checks import mistakes_in_document, mistakes_in_preheader
from rapport.delivery.text_part import text_source
from rapport.delivery.traced import NoShell

HTML = MailEnvironment(is_html=True)
TEXT = MailEnvironment(is_html=False)

_MJML = re.compile(r"\s*(?:<!--.*?-->\s*)*<mjml[\s>]", re.DOTALL)
_HTML_DOCUMENT = re.compile(r"<html[\s>]", re.IGNORECASE)
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


def compile_mail(
    subject: str, preheader: str, source: str, *, link_fields: str | None = None
) -> MailTemplate:
    """Compile a campaign's Jinja subject and preheader and its MJML or HTML template (includes expanded).

    Nothing is fetched and no file is read.

    Args:
        link_fields: what web links get into their query (`addresses.campaign_fields`); None: nothing.

    Raises:
        TemplateMistakes: the template is neither MJML nor HTML, or holds what a mail may not hold.
    """
    mistakes = [
        f"{what}, line {line}: {sentence}"
        for what, text in (("subject", subject), ("preheader", preheader), ("template", source))
        for line, sentence in mistakes_in(text, HTML)
    ]
    if mistakes:
        raise TemplateMistakes(mistakes)
    hidden = hide(source, HTML)
    html = _inlined(hidden)
    mistakes = [*mistakes_in_document(hidden, html), *mistakes_in_preheader(hide(preheader, HTML))]
    if mistakes:
        raise TemplateMistakes(mistakes)
    hidden, html = with_safe_addresses(hidden, html, link_fields)
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


def _inlined(hidden: Hidden) -> str:
    """The document as HTML with its CSS in style attributes."""
    html = hidden.text
    if _MJML.match(html):
        try:
            html = mrml.to_html(
                html, mrml.ParserOptions(include_loader=mrml.noop_loader()), mrml.RenderOptions(fonts={})
            ).content
        except OSError as error:
            raise TemplateMistakes([f"this is no MJML: {str(error).splitlines()[0]}"]) from None
    elif not _HTML_DOCUMENT.search(html):
        raise TemplateMistakes(["a template is MJML (<mjml>) or a whole HTML document (<html>)"])
    return _FETCHES_NOTHING.inline(html)
