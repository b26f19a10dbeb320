"""A mail taken apart: its shell, which many recipients share, and the values of one of them.

A slot is each output expression of a template. Loops and conditions run for the person as they always do, so
a shell is what a template writes for all who meet the same conditions and have as many items in each loop.
What is the same for everybody (the sender's fields) belongs to the shell, and so do scheme and host of an
address: SendGrid does not count the clicks of a link that is wholly a value.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jinja2 import Environment, Template, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context

from rapport.delivery.faults import RenderError
from rapport.delivery.sandbox import LARGEST_OUTPUT, RENDERING_FAULTS, MailEnvironment, written

MOST_PIECES = 4_000
MOST_SHELLS = 2_000  # some kilobytes each

Piece = str | None
"""A text of the shell; None: a slot."""

_ADDRESS = re.compile(
    r"(https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/?#]|(?!.)))([A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)"
)


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


class NoShell(Exception):
    """This person's mail has no shell to share; it is rendered plainly."""


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


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if hasattr(value, "__html__"):  # escaped already
        raise NoShell
    return str(written(value))


class Shapes:
    """A mail's HTML and text, compiled so that they can be taken apart."""

    def __init__(self, html_source: str, text_source: str) -> None:
        self._html = _HTML.loaded(html_source)
        self._text = _TEXT.loaded(text_source)
        self._shells: dict[Any, Shell] = {}

    def shape(self, context: dict[str, Any], subject: str) -> ShapedMail:
        """Take the mail of one person apart.

        Raises:
            NoShell: an address or the length of this mail does not allow it, or its data does not fit the
                template; plain rendering says which.
        """
        try:
            html, in_html = _collected(self._html, context)
            text, in_text = _collected(self._text, context)
            values = [
                value if type(value) is str and value.isalnum() else escaped(_text(value))
                for value in in_html
            ]
            size = sum(map(len, values))
            values += [value if type(value) is str else _text(value) for value in in_text]
        except (RenderError, *RENDERING_FAULTS):
            raise NoShell from None
        # The texts of a shell are constants of the compiled template: comparing compares their identities.
        shell = self._shells.get((html, text)) or self._new_shell(html, text, len(in_html))
        if size + shell.bytes > LARGEST_OUTPUT or sum(map(len, values)) - size > LARGEST_OUTPUT:
            raise NoShell
        return ShapedMail(shell, values, subject)

    def _new_shell(self, html: tuple[Any, ...], text: tuple[Any, ...], html_slots: int) -> Shell:
        if len(self._shells) >= MOST_SHELLS:
            self._shells.clear()
        parts = tuple(_flat(html)), tuple(_flat(text))
        size = sum(len(piece.encode()) for part in parts for piece in part if piece is not None)
        shell = self._shells[html, text] = Shell(*parts, html_slots, size)
        return shell


class _Collecting(Context):
    """Takes the values out of what a template yields; in their place it yields None.

    For an address it yields its scheme and host in a tuple, which stands for that text and a slot.
    """

    def __init__(self, environment: Environment, data: dict[str, Any]) -> None:
        super().__init__(environment, data, None, {})
        self.taken: list[Any] = []
        self.slot = self.taken.append

    def address(self, value: Any) -> str | tuple[str]:
        found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise NoShell
        origin, rest = found.groups()
        if rest:
            self.slot(rest)
            return (origin,)
        return str(origin)


class _ShapeGenerator(CodeGenerator):
    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.buffer is not None:
            raise AssertionError("the sandbox lets no template transform what it has written")
        if taker := _taker(node):
            self.write(f"context.{taker}(")
        else:
            super()._output_child_pre(node, frame, finalize)

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if _taker(node):
            self.write(")")
        else:
            super()._output_child_post(node, frame, finalize)


class _ShapeEnvironment(MailEnvironment):
    code_generator_class = _ShapeGenerator


_HTML = _ShapeEnvironment(is_html=True)
_TEXT = _ShapeEnvironment(is_html=False)


def _taker(node: nodes.Expr) -> str | None:
    """Which method of the context takes the expression's value; None: it belongs to the shell."""
    names = {name.name for name in node.find_all(nodes.Name)} | (
        {node.name} if isinstance(node, nodes.Name) else set()
    )
    if names <= {"sender", "loop"}:
        return None
    if isinstance(node, nodes.Filter) and node.name in ("url", "_with_fields"):
        return "address"
    if isinstance(node, nodes.Name) and node.name == "unsubscribe_url":
        return "address"
    return "slot"


def _collected(template: Template, data: dict[str, Any]) -> tuple[tuple[Any, ...], list[Any]]:
    """What the template writes, with None for each slot, and the slots' values as the data has them."""
    context = _Collecting(template.environment, data)
    pieces = tuple(islice(template.root_render_func(context), MOST_PIECES + 1))
    if len(pieces) > MOST_PIECES:
        raise NoShell
    return pieces, context.taken


def _flat(pieces: Iterable[Any]) -> Iterable[Piece]:
    for piece in pieces:
        if isinstance(piece, tuple):
            yield from (*piece, None)
        else:
            yield piece
