"""What a test of dbt's means, and whose it is."""

from types import SimpleNamespace
from typing import Any

import pytest

from rapport import checks


def node(name: str = "x", kind: str | None = None, *, owner: str | None = None, **fields: Any) -> Any:
    arguments = fields.pop("arguments", {})
    return SimpleNamespace(
        name=name,
        description=fields.pop("description", ""),
        test_metadata=SimpleNamespace(name=kind, kwargs=arguments) if kind else None,
        attached_node="model.rapport.orders",
        config=SimpleNamespace(meta={"owner": owner} if owner else {}),
        depends_on=SimpleNamespace(nodes=fields.pop("nodes", [])),
    )


@pytest.mark.parametrize(
    ("test", "meaning"),
    [
        (node(description="Nothing is lost."), "Nothing is lost."),
        (node("orders_come_before_as_of", "expression_is_true"), "Orders come before as of."),
        (node("no_order_is_lost"), "No order is lost."),
        (
            node("n", "not_null", arguments={"column_name": "order_id", "model": "{{ x }}"}),
            "Every row of orders has its order_id.",
        ),
        (
            node(
                "r", "relationships", arguments={"column_name": "a", "to": "ref('customers')", "field": "b"}
            ),
            "Every a of orders is a b of customers.",
        ),
        (
            node("a", "accepted_values", arguments={"column_name": "s", "values": ["new", "open"]}),
            "s of orders is one of new, open.",
        ),
        (
            node("u", "unique_combination", arguments={"columns": ["source", "order_id"]}),
            "No two rows of orders agree in source, order_id.",
        ),
    ],
)
def test_a_check_is_told_as_what_holds_when_it_passes(test: Any, meaning: str) -> None:
    assert checks.meaning(test) == meaning


def test_the_owner_is_the_checks_own_else_its_models_else_that_of_what_it_reads() -> None:
    nodes = {
        "model.rapport.orders": node(owner="finance"),
        "model.rapport.segments": node(owner="marketing"),
    }
    assert checks.owner(node(owner="legal"), nodes) == "legal"
    assert checks.owner(node(nodes=["model.rapport.segments"]), nodes) == "finance"
    alone = node(nodes=["macro.x", "model.rapport.segments"])
    alone.attached_node = None
    assert checks.owner(alone, nodes) == "marketing"
    assert checks.owner(alone, {}) is None
