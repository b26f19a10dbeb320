"""Jinja hidden from HTML parsers, and put back.

Parsers move and rewrite what they do not know: an inliner pulls a `{% for %}` out of its table, an XML
parser trips over `a < b` in a tag. So a statement travels as an HTML comment, which parsers leave where it
is, and an expression as a word.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rapport.delivery.sandbox import MailEnvironment


@dataclass(frozen=True)
class Hidden:
    """A source without Jinja in it. `statements` and `expressions` are the Jinja, by number."""

    text: str
    statements: list[str]
    expressions: list[str]
    word: str

    def word_of(self, number: int) -> str:
        return f"{self.word}e{number}z"

    def words(self, text: str) -> list[int]:
        """The numbers of the expressions in the text, in order."""
        return [int(number) for number in re.findall(rf"{self.word}e(\d+)z", text)]

    def put_back(self, text: str) -> str:
        """The text with its Jinja; `text` may be any that was made from `self.text`."""

        def jinja(found: re.Match[str]) -> str:
            return self.statements[int(found[1])] if found[1] is not None else self.expressions[int(found[2])]

        return re.sub(rf"<!--{self.word}s(\d+)z-->|{self.word}e(\d+)z", jinja, text)


def hide(source: str, environment: MailEnvironment) -> Hidden:
    """Replace statements and expressions; Jinja comments vanish. The source must be free of syntax errors."""
    word = _word_not_in(source)
    statements: list[str] = []
    expressions: list[str] = []
    text: list[str] = []
    tag: list[str] = []
    kept: dict[str, tuple[list[str], Callable[[int], str]]] = {
        "block_end": (statements, lambda number: f"<!--{word}s{number}z-->"),
        "variable_end": (expressions, lambda number: f"{word}e{number}z"),
    }
    for _, kind, value in environment.lex(source):
        if kind.startswith("comment"):
            continue
        if kind == "data":
            text.append(value)
            continue
        tag.append(value)
        if kind in kept:
            found, spelled = kept[kind]
            text.append(spelled(len(found)))
            found.append("".join(tag))
            tag = []
    return Hidden("".join(text), statements, expressions, word)


def moved_statements(hidden: Hidden, html: str, parents: Mapping[int, object]) -> str | None:
    """The first statement that a parser has lost, doubled or torn from its block, or None.

    Args:
        parents: for each statement found in the parsed document, its parent element.
    """
    order = [int(number) for number in re.findall(rf"<!--{hidden.word}s(\d+)z-->", html)]
    if order != list(range(len(hidden.statements))):
        missing = set(range(len(hidden.statements))) - set(order)
        return hidden.statements[min(missing) if missing else order[0]]
    block: list[int] = []
    for number, statement in enumerate(hidden.statements):
        keyword = statement.strip("{%-+ \t\n").split(maxsplit=1)[0]
        if keyword in ("if", "for"):
            block.append(number)
        elif parents.get(number) is not parents.get(block[-1]):
            return hidden.statements[block[-1]]
        if keyword in ("endif", "endfor"):
            block.pop()
    return None


def _word_not_in(source: str) -> str:
    number = 0
    while (word := f"jinja{number}") in source.lower():
        number += 1
    return word
