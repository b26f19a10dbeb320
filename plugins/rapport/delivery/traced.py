"""Templates that hand their values over instead of writing them, and say which way they went.

What such a template yields for one person is a trace: the template's own texts, the number of an expression
in place of each value, and marks at each branch and each turn of a loop. Conditions are functions of the
data alone, so of a mail's HTML and its text, which has the same expressions within the same statements, one
trace decides the other: the text need not be rendered again where the trace of the HTML is known.
"""

import re
from itertools import islice
from typing import Any

from jinja2 import Environment, Template, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context

from rapport.delivery.sandbox import MailEnvironment

MOST_PIECES = 4_000

Trace = tuple[Any, ...]
"""Texts and marks; the number of an expression: a value; (scheme and host, number): an address."""

Slot = tuple[tuple[tuple[str, int], ...], int]
"""What a value is decided by: the turns of the loops around it, and the number of its expression."""

_MARK = "\0"
_ADDRESS = re.compile(
    r"(https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/?#]|(?!.)))([A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)"
)


class NoShell(Exception):
    """This person's mail has no shell to share; it is rendered plainly."""


class TracingEnvironment(MailEnvironment):
    """Compiles templates that are traced. `expressions` numbers their expressions, equal ones alike."""

    def __init__(self, *, is_html: bool, expressions: dict[str, int]) -> None:
        super().__init__(is_html=is_html)
        self.code_generator_class = _TracingGenerator
        self.expressions = expressions

    def parse(self, source: str, name: str | None = None, filename: str | None = None) -> nodes.Template:
        tree = super().parse(source, name, filename)
        _Marks().put_into(tree.body, 0)
        return tree


def trace(template: Template, data: dict[str, Any]) -> tuple[Trace, list[Any]]:
    """The trace of a template for one person, and the values as they are in the data.

    Raises:
        NoShell: an address has no plain host, or the trace is too long.
        RENDERING_FAULTS, RenderError: the data does not fit the template.
    """
    context = _Collecting(template.environment, data)
    pieces = tuple(islice(template.root_render_func(context), MOST_PIECES + 1))
    if len(pieces) > MOST_PIECES:
        raise NoShell
    return pieces, context.taken


def read_trace(pieces: Trace) -> tuple[tuple[str | None, ...], list[Slot]]:
    """The texts of a trace, None for each value; and what decides each of the values."""
    texts: list[str | None] = []
    slots: list[Slot] = []
    turns: list[tuple[str, int]] = []
    for piece in pieces:
        if isinstance(piece, str):
            if piece.startswith(_MARK):
                _follow(piece, turns)
            else:
                texts.append(piece)
            continue
        if isinstance(piece, tuple):
            texts.append(piece[0])
        texts.append(None)
        slots.append((tuple(turns), piece[1] if isinstance(piece, tuple) else piece))
    return tuple(texts), slots


def _follow(mark: str, turns: list[tuple[str, int]]) -> None:
    kind, depth, loop = mark[1:].split(":", 2)
    if kind == "turn" and len(turns) > int(depth):
        turns[-1] = loop, turns[-1][1] + 1
    elif kind == "turn":
        turns.append((loop, 0))
    elif kind == "end":
        del turns[int(depth) :]


class _Marks:
    """Puts marks into a template: at each branch, at each turn of a loop and behind it."""

    def __init__(self) -> None:
        self._branches = 0

    def put_into(self, body: list[nodes.Node], depth: int) -> None:
        for place in reversed(range(len(body))):
            node = body[place]
            if isinstance(node, nodes.If):
                for branch in (node, *node.elif_):
                    self._branch(branch.body, depth)
                if node.else_:
                    self._branch(node.else_, depth)
            elif isinstance(node, nodes.For):
                self.put_into(node.body, depth + 1)
                node.body.insert(0, _mark(f"turn:{depth}:{node.target!r}{node.iter!r}{node.test!r}"))
                if node.else_:
                    self._branch(node.else_, depth)
                body.insert(place + 1, _mark(f"end:{depth}:"))

    def _branch(self, body: list[nodes.Node], depth: int) -> None:
        self.put_into(body, depth)
        self._branches += 1
        body.insert(0, _mark(f"branch:{self._branches}:"))


def _mark(text: str) -> nodes.Output:
    return nodes.Output([nodes.TemplateData(f"{_MARK}{text}", lineno=0)], lineno=0)


class _Collecting(Context):
    """The data of one person; takes the values that the template hands over."""

    def __init__(self, environment: Environment, data: dict[str, Any]) -> None:
        super().__init__(environment, data, None, {})
        self.taken: list[Any] = []
        self.slot = self.taken.append

    def address(self, value: Any, number: int) -> str | tuple[str, int]:
        found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise NoShell
        origin, rest = found.groups()
        if rest:
            self.slot(rest)
            return origin, number
        return str(origin)


class _TracingGenerator(CodeGenerator):
    """Writes `context.slot(value) or number` where Jinja writes the value: slot returns None."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        assert frame.buffer is None, "the sandbox lets no template transform what it has written"
        if taker := _taker(node):
            self.write(f"context.{taker}(")
        else:
            super()._output_child_pre(node, frame, finalize)

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        taker = _taker(node)
        if taker is None:
            super()._output_child_post(node, frame, finalize)
            return
        assert isinstance(self.environment, TracingEnvironment)
        known = self.environment.expressions
        number = known.setdefault(repr(node), len(known) + 1)
        self.write(f", {number})" if taker == "address" else f") or {number}")


def _taker(node: nodes.Expr) -> str | None:
    """Which method of the context takes the expression's value; None: it belongs to the shell."""
    own = {node.name} if isinstance(node, nodes.Name) else set()
    if {name.name for name in node.find_all(nodes.Name)} | own <= {"sender", "loop"}:
        return None
    if isinstance(node, nodes.Filter) and node.name in ("url", "_with_fields"):
        return "address"
    return "address" if own == {"unsubscribe_url"} else "slot"
