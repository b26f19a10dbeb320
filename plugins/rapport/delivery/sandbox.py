"""Jinja narrowed to what a mail needs: plain data, a list of filters, bounded loops and bounded output.

The stock sandbox stops neither `'a' * 10**9` nor method calls that allocate freely, so everything is refused
that is not on a list: syntax when a template is read, attributes and operands when it is rendered.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rapport.delivery.addresses import ADDRESS_FILTERS
from rapport.delivery.faults import EMPTY, RenderError
from rapport.delivery.filters import OWN_FILTERS, of_something

LARGEST_OUTPUT = 500_000  # bytes of UTF-8
MOST_BYTES = 4  # of a character
LARGEST_LOOP = 200  # items
DEEPEST_LOOP = 2

_SYNTAX = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.If, nodes.For, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Keyword,
    nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.List, nodes.Tuple,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.Neg,
)  # fmt: skip
_FILTERS = (
    "capitalize", "count", "d", "default", "first", "last", "length", "lower", "round", "title", "trim",
    "truncate", "upper", "urlencode",
)  # fmt: skip
_TESTS = ("defined", "undefined", "none", "number", "string", "odd", "even", "in")
_LOOP_FIELDS = ("index", "index0", "first", "last", "length", "revindex")
_REFUSED = {
    "Call": "calls are not allowed, use a filter",
    "Assign": "{% set %} is not allowed",
    "AssignBlock": "{% set %} is not allowed",
    "Macro": "macros are not allowed",
    "CallBlock": "macros are not allowed",
    "FilterBlock": "{% filter %} is not allowed",
    "Extends": "{% extends %} is not allowed",
    "Block": "{% block %} is not allowed",
    "Include": 'an include names one file of the templates folder, like {% include "footer.mjml" %}',
}
_LIMIT = "_at_most_200"
_WRITTEN_AS_IT_IS = frozenset({str, int, float, Decimal, date, datetime})

RENDERING_FAULTS = (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError)


class MailEnvironment(ImmutableSandboxedEnvironment):
    """The Jinja environment of mails; `is_html` says whether values are escaped."""

    intercepted_binops = frozenset({"+", "-", "*", "/"})
    intercepted_unops = frozenset({"-"})

    def __init__(self, *, is_html: bool) -> None:
        super().__init__(
            autoescape=is_html, undefined=StrictUndefined, finalize=written, keep_trailing_newline=True
        )
        self.globals.clear()
        self.filters = {name: of_something(self.filters[name], name) for name in _FILTERS}
        self.filters |= OWN_FILTERS | ADDRESS_FILTERS | {_LIMIT: _at_most}
        self.tests = {name: self.tests[name] for name in _TESTS}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        return False

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj:  # what mails do most; the rest is slower and as strict
            return obj[attribute]
        if isinstance(obj, LoopContext) and attribute in _LOOP_FIELDS:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(argument, str):
            if argument in obj:
                return obj[argument]
        elif isinstance(obj, list | tuple) and isinstance(argument, int):
            if -len(obj) <= argument < len(obj):
                return obj[argument]
        elif isinstance(obj, Undefined):
            return obj
        return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        left, right = _number(left, operator), _number(right, operator)
        return super().call_binop(context, operator, left, right)

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        return super().call_unop(context, operator, _number(arg, operator))

    def compiled(self, source: str) -> "BoundTemplate":
        """Compile a source that `mistakes_in` found nothing wrong with."""
        return BoundTemplate(self.loaded(source))

    def loaded(self, source: str) -> Template:
        """Jinja's own template of such a source; its loops are bounded, its output is not."""
        tree = self.parse(source)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _LIMIT, [], [], None, None, lineno=loop.lineno)
        return self.from_string(tree)


class BoundTemplate:
    """A compiled template whose output is bounded."""

    def __init__(self, template: Template) -> None:
        self._template = template

    def render(self, context: Mapping[str, Any]) -> str:
        """Raises RenderError, whose message names the cause and no value."""
        pieces, size = [], 0
        try:
            data = Context(self._template.environment, dict(context), None, {})
            for piece in self._template.root_render_func(data):
                size += len(piece)
                if size > LARGEST_OUTPUT:
                    raise _too_large()
                pieces.append(piece)
        except RENDERING_FAULTS as error:
            raise render_error(error) from None
        text = "".join(pieces)
        if size * MOST_BYTES > LARGEST_OUTPUT and len(text.encode()) > LARGEST_OUTPUT:
            raise _too_large()
        return text


def _too_large() -> RenderError:
    return RenderError(f"the mail is larger than {LARGEST_OUTPUT // 1000} KB")


def render_error(error: Exception) -> RenderError:
    """The sentence on one of RENDERING_FAULTS; it holds no value."""
    if isinstance(error, TemplateError):
        # Jinja's message on an unknown field holds the object's type or the field's name, never its value.
        return RenderError((error.message or type(error).__name__)[:200])
    return RenderError(f"an expression does not fit its data ({type(error).__name__})")


def mistakes_in(source: str, environment: MailEnvironment) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) of everything in the source that mails may not hold."""
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        yield error.lineno, error.message or "a syntax error"
        return
    yield from _refused(tree, loops=0)


def _refused(node: nodes.Node, loops: int) -> Iterator[tuple[int, str]]:
    kind = type(node).__name__
    if not isinstance(node, _SYNTAX):
        yield node.lineno, _REFUSED.get(kind, f"{kind.lower()} is not allowed in a mail")
        return
    if isinstance(node, nodes.Filter) and node.name not in (*_FILTERS, *OWN_FILTERS):
        yield node.lineno, f"there is no filter {node.name}{_near(node.name, [*_FILTERS, *OWN_FILTERS])}"
    if isinstance(node, nodes.Filter) and node.node is None:
        yield node.lineno, "{% filter %} is not allowed"
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        yield node.lineno, f"there is no test {node.name}{_near(node.name, list(_TESTS))}"
    if isinstance(node, nodes.For):
        loops += 1
        if node.recursive or loops > DEEPEST_LOOP:
            yield node.lineno, f"loops may be nested {DEEPEST_LOOP} deep and are never recursive"
    for child in node.iter_child_nodes():
        yield from _refused(child, loops)


def _near(word: str, words: list[str]) -> str:
    close = get_close_matches(word, words, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(sorted(words))}"


def written(value: Any) -> Any:
    """The value, which an expression may write. Raises RenderError for nothing, a list or a record."""
    if type(value) in _WRITTEN_AS_IT_IS:
        return value
    if value is None:
        raise RenderError(EMPTY)
    if not isinstance(value, str | int | float | Decimal | date | Undefined):
        raise RenderError("an expression gives a list or a record; write out its fields")
    return value


def _at_most(items: Any) -> Any:
    if isinstance(items, Undefined):
        return items
    if not isinstance(items, list | tuple):
        raise RenderError("a loop goes over something that is no list")
    if len(items) > LARGEST_LOOP:
        raise RenderError(f"a loop has more than {LARGEST_LOOP} items")
    return items


def _number(value: Any, operator: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise SecurityError(f"{operator} works on numbers only")
    if isinstance(value, int) and abs(value) > 10**18:
        raise SecurityError(f"{operator} was given a number beyond 10^18")
    return value
