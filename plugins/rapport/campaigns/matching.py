"""Whether a campaign is still meant for a customer: conditions, purchases, other mails, the goal.

One expression, asked when an edition is planned and again when a message is claimed.
"""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from rapport.campaigns.campaign import Campaign
from rapport.campaigns.conditions import conditions_sql
from rapport.campaigns.tables import NOW, Tables

# The last time that the row `customers` did what a goal asks for.
_LAST_DONE = {
    "order": sql.SQL("customers.last_order_at"),
    "visit": sql.SQL("customers.last_seen_at"),
    "cart": sql.SQL(
        "(select max(started_at) from marts.sessions"
        " where sessions.customer_id = customers.customer_id and sessions.has_cart)"
    ),
    "survey_response": sql.SQL(
        "(select max(responded_at) from marts.survey_responses"
        " where survey_responses.customer_id = customers.customer_id)"
    ),
}

_MAILED = sql.SQL(
    """
    (
        exists (
            select from {messages} as others
            where
                others.customer_id = subject.customer_id
                and others.accepted_at > {moment} - {period}::interval
                and others.edition_id <> subject.edition_id
        )
        or exists (
            select from identity.merges
            inner join {messages} as others on merges.old_customer_id = others.customer_id
            where
                merges.customer_id = subject.customer_id
                and others.accepted_at > {moment} - {period}::interval
                and others.edition_id <> subject.edition_id
        )
    )
    """
)


def last_done(event: str) -> sql.Composable:
    """When the row `customers` last did what the goal event names; null where they never did."""
    return _LAST_DONE[event]


def reason_not_meant(
    campaign: Campaign, columns: Mapping[str, str], tables: Tables = NOW
) -> tuple[sql.Composable, dict[str, Any]]:
    """Why the campaign is not meant for somebody, or null; an expression and its parameters.

    It reads the rows `customers` (of marts.customers) and `subject` (customer_id, edition_id, and since:
    from when on the goal counts, null where it does not), and the parameter `moment`: as of when it is asked.

    Args:
        columns: of `conditions.customer_columns`.
    """
    audience = campaign.audience
    moment = sql.SQL("%(moment)s::timestamptz")
    where, parameters = conditions_sql(audience.where, columns, moment)
    bought = "customers.last_order_at >= {moment} - {period}::interval"
    rules: list[tuple[str, str | sql.SQL, Any]] = [
        ("bought_within", f"({bought}) is not true", audience.bought_within),
        ("not_bought_within", f"({bought})", audience.not_bought_within),
        ("mailed_within", "not {mailed}", audience.mailed_within),
        ("not_mailed_within", "{mailed}", audience.not_mailed_within),
    ]
    cases = []
    if audience.where:
        cases.append(sql.SQL("when not {} then 'condition'").format(where))
    for reason, rule, period in rules:
        if period is None:
            continue
        parameters[reason] = period
        named = {"moment": moment, "period": sql.Placeholder(reason)}
        mailed = _MAILED.format(messages=tables.named()["messages"], **named)
        condition = sql.SQL(rule).format(mailed=mailed, **named) if isinstance(rule, str) else rule
        cases.append(sql.SQL("when {} then {}").format(condition, sql.Literal(reason)))
    if campaign.goal is not None:
        cases.append(
            sql.SQL("when {} > subject.since then 'goal_reached'").format(last_done(campaign.goal.event))
        )
    if not cases:
        return sql.SQL("null::text"), parameters
    return sql.SQL("case {} end").format(sql.SQL(" ").join(cases)), parameters
