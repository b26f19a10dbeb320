"""Which fields a mail writes for everybody without a fallback: whoever lacks one cannot be mailed."""

from collections.abc import Iterator

from jinja2 import nodes

from rapport.delivery.rendering import HTML

Field = tuple[str, str]

_RECORDS = ("customer", "member")


def bare_fields(*sources: str) -> set[Field]:
    """(record, column) of each field of customer and member that is written whatever it holds.

    What stands under an `if` is left out: it is not written for everybody, and rendering finds it.
    """
    return {field for source in sources for field in _written(HTML.parse(source).body)}


def used_fields(*sources: str) -> set[Field]:
    """(record, column) of each field of customer and member that is named anywhere."""
    return {
        field
        for source in sources
        for node in HTML.parse(source).find_all((nodes.Getattr, nodes.Getitem))
        if (field := _field(node)) is not None
    }


def _written(body: list[nodes.Node]) -> Iterator[Field]:
    for node in body:
        if isinstance(node, nodes.Output):
            for expression in node.nodes:
                yield from _needed(expression)
        elif isinstance(node, nodes.For):
            yield from _needed(node.iter)


def _needed(node: nodes.Node) -> Iterator[Field]:
    if (field := _field(node)) is not None:
        yield field
    elif isinstance(node, nodes.Or):
        yield from _needed(node.right)
    elif isinstance(node, nodes.Filter) and node.node is not None and node.name not in ("default", "d"):
        yield from _needed(node.node)
    elif isinstance(node, nodes.BinExpr) and not isinstance(node, nodes.And):
        yield from _needed(node.left)
        yield from _needed(node.right)


def _field(node: nodes.Node) -> Field | None:
    if isinstance(node, nodes.Getattr):
        name = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        name = str(node.arg.value)
    else:
        return None
    if isinstance(node.node, nodes.Name) and node.node.name in _RECORDS:
        return node.node.name, name
    return None
