"""A definition in words, for those who read no JSON and no SQL."""

from rapport.audiences.behaviours import BEHAVIOURS, period_in_words
from rapport.audiences.customer_columns import label_of
from rapport.audiences.definition import (
    BehaviourCondition,
    ColumnCondition,
    Condition,
    Definition,
    Group,
)

TESTS = {
    "equals": "is",
    "not_equals": "is not",
    "one_of": "is one of",
    "none_of": "is none of",
    "contains": "contains",
    "starts_with": "starts with",
    "at_least": "is at least",
    "at_most": "is at most",
    "within_days": "lies in the last",
    "before_days": "lies further back than",
    "since": "is on or after",
    "before": "is before",
    "is_true": "is yes",
    "is_false": "is no",
    "has": "include",
    "has_not": "do not include",
    "known": "is known",
    "unknown": "is not known",
}
TIMES = {"at_least": "at least", "at_most": "at most", "exactly": "exactly"}


def in_words(definition: Definition) -> str:
    """One sentence: country is one of DE, AT and (at least 2 orders in the last 90 days or …)."""
    return _group(definition)


def _group(group: Group) -> str:
    joint = " and " if group.match == "all" else " or "
    return joint.join(
        f"({_group(one)})" if isinstance(one, Group) and len(one.conditions) > 1 else _words(one)
        for one in group.conditions
    )


def _words(condition: Condition) -> str:
    if isinstance(condition, Group):
        return _group(condition)
    if isinstance(condition, BehaviourCondition):
        behaviour = BEHAVIOURS[condition.did]
        if condition.count == 0 and condition.times != "at_least":
            amount = f"no {behaviour.singular}"
        else:
            amount = (
                f"{TIMES[condition.times]} {condition.count} "
                f"{behaviour.singular if condition.count == 1 else behaviour.plural}"
            )
        which = f" of {condition.which_is} {condition.which}" if condition.which is not None else ""
        return amount + which + period_in_words(condition)
    return _column(condition)


def _column(condition: ColumnCondition) -> str:
    name = label_of(condition.column)
    if condition.days is not None:
        given = f" {condition.days} {'day' if condition.days == 1 else 'days'}"
    elif condition.values is not None:
        given = f" {', '.join(condition.values)}"
    elif condition.day is not None:
        given = f" {condition.day}"
    else:
        given = f" {condition.value}" if condition.value is not None else ""
    currency = f" {condition.currency}" if condition.currency else ""
    return f"{name} {TESTS[condition.test]}{given}{currency}"
