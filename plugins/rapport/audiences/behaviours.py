"""What a customer can have done, and where that is seen."""

from collections.abc import Mapping
from typing import NamedTuple

from rapport.audiences.definition import BehaviourCondition


class Behaviour(NamedTuple):
    """Where it is seen that a customer did something; `counted` is what makes one time of it."""

    relation: str
    happened_at: str
    singular: str
    plural: str
    counted: str = "*"
    only: str = ""
    narrowed_by: Mapping[str, str] = {}


BEHAVIOURS: dict[str, Behaviour] = {
    "order": Behaviour("orders", "ordered_at", "order", "orders"),
    "buy": Behaviour(
        "order_lines",
        "ordered_at",
        "order",
        "orders",
        "distinct facts.order_key",
        "facts.quantity > 0",
        {"product": "facts.source || ':' || facts.product_id", "category": "facts.category"},
    ),
    "return": Behaviour("returns", "returned_at", "return", "returns", only="facts.is_counted"),
    "visit": Behaviour("sessions", "started_at", "visit", "visits", narrowed_by={"channel": "facts.channel"}),
    "cart": Behaviour(
        "sessions",
        "started_at",
        "visit with a cart",
        "visits with a cart",
        only="facts.has_cart",
        narrowed_by={"channel": "facts.channel"},
    ),
    "ticket": Behaviour(
        "tickets", "opened_at", "ticket", "tickets", narrowed_by={"category": "facts.category"}
    ),
    "survey": Behaviour(
        "survey_responses",
        "responded_at",
        "survey answer",
        "survey answers",
        narrowed_by={"metric": "facts.metric"},
    ),
    **{
        event: Behaviour(
            "customer_timeline",
            "happened_at",
            f"e-mail {event}",
            f"e-mails {event}",
            only=f"facts.kind = 'email' and facts.detail = '{detail}'",
        )
        for event, detail in (("mailed", "sent"), ("opened", "opened"), ("clicked", "clicked"))
    },
}
BEHAVIOURS["mailed"] = BEHAVIOURS["mailed"]._replace(singular="e-mail", plural="e-mails")


def period_in_words(condition: BehaviourCondition) -> str:
    """` in the last 30 days`, ` since 2026-01-01`, or nothing."""
    if condition.within_days is not None:
        return f" in the last {condition.within_days} {'day' if condition.within_days == 1 else 'days'}"
    return f" since {condition.since}" if condition.since is not None else ""
