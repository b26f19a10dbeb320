"""A test of dbt's in words: what it says of the data when it passes, and who answers for what it tests."""

from collections.abc import Mapping
from typing import Any

# What dbt's own tests and ours of tests/ say, of their model and arguments.
MEANINGS = {
    "not_null": "Every row of {model} has its {column_name}.",
    "unique": "No two rows of {model} have the same {column_name}.",
    "accepted_values": "{column_name} of {model} is one of {values}.",
    "relationships": "Every {column_name} of {model} is a {field} of {to}.",
    "unique_combination": "No two rows of {model} agree in {columns}.",
}


def meaning(node: Any) -> str:
    """What a test says of the data: its description, else a sentence made of its kind or of its name.

    Args:
        node: the test in dbt's manifest.
    """
    if node.description:
        return str(node.description).strip()
    kind = getattr(node, "test_metadata", None)
    sentence = MEANINGS.get(kind.name) if kind else None
    if sentence is None or kind is None:
        return f"{node.name.replace('_', ' ').capitalize()}."
    return sentence.format(**_in_words(kind.kwargs), model=_model(node) or "the table")


def owner(node: Any, nodes: Mapping[str, Any]) -> str | None:
    """Who answers for a test: `meta.owner` of itself, else of the model that it is of or reads first."""
    read = [getattr(node, "attached_node", None), *node.depends_on.nodes]
    for candidate in [node, *(nodes[name] for name in read if name in nodes)]:
        if found := candidate.config.meta.get("owner"):
            return str(found)
    return None


def _model(node: Any) -> str | None:
    attached = getattr(node, "attached_node", None)
    return str(attached).rsplit(".", 1)[-1] if attached else None


def _in_words(arguments: Mapping[str, Any]) -> dict[str, str]:
    words = {}
    for name, value in arguments.items():
        if isinstance(value, list):
            words[name] = ", ".join(map(str, value))
        else:
            # ref('customers') → customers
            words[name] = str(value).removeprefix("ref('").removesuffix("')")
    words.pop("model", None)
    return words
