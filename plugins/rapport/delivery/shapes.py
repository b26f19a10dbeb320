"""A mail taken apart: its shell, which many recipients share, and the values of one of them.

A slot is each output expression of a template. Loops and conditions run for the person as they always do, so
a shell is what a template writes for all who meet the same conditions and have as many items in each loop.
What is the same for everybody (the sender's fields) belongs to the shell, and so do scheme and host of an
address: SendGrid does not count the clicks of a link that is wholly a value.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rapport.delivery.faults import RenderError
from rapport.delivery.sandbox import LARGEST_OUTPUT, MOST_BYTES, RENDERING_FAULTS, written
from rapport.delivery.traced import NoShell, Trace, TracingEnvironment, read_trace, trace

MOST_SHELLS = 2_000  # some kilobytes each

Piece = str | None
"""A text of the shell; None: a slot."""


@dataclass(frozen=True, eq=False, slots=True)
class Shell:
    """What a template writes for all who share it. Known by identity: two equal shells are one object."""

    html: tuple[Piece, ...]
    text: tuple[Piece, ...]
    html_slots: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ShapedMail:
    """One person's mail: a shell, and a value for each slot of it, those of the HTML first.

    `html` and `text` are what plain rendering gives, byte for byte.
    """

    shell: Shell
    values: list[str]
    subject: str

    @property
    def html(self) -> str:
        return filled(self.shell.html, self.values[: self.shell.html_slots])

    @property
    def text(self) -> str:
        return filled(self.shell.text, self.values[self.shell.html_slots :])


def filled(pieces: Iterable[Piece], values: Iterable[str]) -> str:
    """The pieces, with a value in place of each slot."""
    rest = iter(values)
    return "".join([next(rest) if piece is None else piece for piece in pieces])


def escaped(text: str) -> str:
    """What markupsafe writes, several times as fast for the texts of mails, which are short and plain."""
    if "&" in text or "<" in text or ">" in text or "'" in text or '"' in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return text.replace("'", "&#39;").replace('"', "&#34;")
    return text


def escaped_all(texts: list[str]) -> list[str]:
    """Each of them escaped, in one go."""
    together = "\0".join(texts)
    known = escaped(together)
    if known is together:
        return texts.copy()
    if together.count("\0") == len(texts) - 1:
        return known.split("\0")
    return [escaped(text) for text in texts]


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if hasattr(value, "__html__"):  # escaped already
        raise NoShell
    return str(written(value))


class Shapes:
    """A mail's HTML and text, compiled so that they can be taken apart."""

    def __init__(self, html_source: str, text_source: str) -> None:
        expressions: dict[str, int] = {}
        self._html = TracingEnvironment(is_html=True, expressions=expressions).loaded(html_source)
        self._text = TracingEnvironment(is_html=False, expressions=expressions).loaded(text_source)
        # By the trace of the HTML: the shell, and for each slot of the text which of the HTML says the same.
        self._shells: dict[Trace, tuple[Shell, list[int]]] = {}

    def shape(self, context: dict[str, Any], subject: str) -> ShapedMail:
        """Take the mail of one person apart.

        Raises:
            NoShell: an address or the length of this mail does not allow it, or its data does not fit the
                template; plain rendering says which.
        """
        try:
            trace_of_html, taken = trace(self._html, context)
            # The texts of a trace are constants of the compiled template: comparing compares identities.
            known = self._shells.get(trace_of_html) or self._new_shell(trace_of_html, context)
            texts = [value if type(value) is str else _text(value) for value in taken]
        except (RenderError, *RENDERING_FAULTS):
            raise NoShell from None
        shell, same = known
        values = escaped_all(texts)
        values += [texts[place] for place in same]
        if sum(map(len, values)) * MOST_BYTES + shell.bytes > LARGEST_OUTPUT:
            raise NoShell
        return ShapedMail(shell, values, subject)

    def _new_shell(self, trace_of_html: Trace, context: dict[str, Any]) -> tuple[Shell, list[int]]:
        if len(self._shells) >= MOST_SHELLS:
            self._shells.clear()
        html, in_html = read_trace(trace_of_html)
        text, in_text = read_trace(trace(self._text, context)[0])
        places = {slot: place for place, slot in enumerate(in_html)}
        if not places.keys() >= set(in_text):
            raise NoShell
        size = sum(len(piece.encode()) for part in (html, text) for piece in part if piece is not None)
        shell = Shell(html, text, len(in_html), size)
        known = self._shells[trace_of_html] = shell, [places[slot] for slot in in_text]
        return known
