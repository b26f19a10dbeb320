"""`rapport campaign plan`: who would get what, when, and who not and why, for any date; it writes nothing."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from rapport import ledger, warehouse
from rapport.audiences.recipients import RecipientKey, key_unknown_addresses
from rapport.campaigns import arms, findings, gate, voucher_stock
from rapport.campaigns.as_of_tables import as_of_tables, remember
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.configuration import read_campaigns
from rapport.campaigns.edition_plan import EditionPlan, make_plan
from rapport.campaigns.fields import Fields
from rapport.campaigns.findings import Findings
from rapport.campaigns.journeys import mailings
from rapport.campaigns.slots import edition_name
from rapport.delivery.configuration import read_delivery
from rapport.errors import ConfigurationError
from rapport.settings import Settings


@dataclass(frozen=True)
class DryMessage:
    """One person of an edition: what they would get when, or why nothing."""

    customer_id: str
    state: str
    state_reason: str | None
    due_at: datetime
    arm: str | None
    variant: str | None


@dataclass(frozen=True)
class DryEdition:
    """An edition as it would be planned.

    Args:
        state: that of the edition of this name in the warehouse, None where there is none.
        hold: why it would be held, as far as its size, its arms and its vouchers say; else None.
        people: some of each reason and some of those who would get it, in the order of their due times.
        unknown: sentences on what this result cannot know.
    """

    edition_id: str
    campaign: str
    step: str | None
    slot_at: datetime
    first_due_at: datetime | None
    last_due_at: datetime | None
    needs_approval: bool
    state: str | None
    hold: str | None
    findings: Findings
    people: list[DryMessage]
    unknown: list[str]


def dry_run(
    url: str, settings: Settings, as_of: datetime, campaign: str | None = None, *, people: int = 20
) -> list[DryEdition]:
    """Plan all campaigns as of a date, past or to come, on the newest customer view, and write nothing.

    Args:
        campaign: give only this one's editions; those planned before it still count for its caps.
        people: how many of each reason are named.

    Raises:
        ConfigurationError: the campaign asked for, the sender or the delivery rules are wrong, or there is
            no customer view yet.
    """
    delivery = read_delivery(settings)
    with warehouse.connect(url) as connection:
        view = ledger.newest_view(connection)
        if view is None:
            raise ConfigurationError("there is no customer view to plan on; `rapport run` builds it")
        fields = Fields.of(connection)
        columns = fields.customer
        good = _plannable(settings, fields, campaign)
        wanted = [
            (one, mailing, slot)
            for one in good
            if (slot := as_of if one.trigger.entering else one.latest_slot(as_of)) is not None
            for mailing in mailings(one)
        ]
        key_unknown_addresses(connection, RecipientKey.from_settings(settings))
        tables, unknown = as_of_tables(
            connection,
            as_of,
            view.as_of,
            columns,
            [edition_name(one, mailing, slot) for one, mailing, slot in wanted],
        )
        editions = []
        for one, mailing, slot in wanted:
            name = edition_name(one, mailing, slot)
            edition = EditionPlan(one, mailing, name, slot, delivery, columns, tables)
            found = _dry_edition(connection, edition, unknown, people)
            remember(connection, edition)
            if campaign in (None, one.name) and (found.findings.considered or one.trigger.schedule):
                editions.append(found)
        connection.rollback()
    return editions


def _plannable(settings: Settings, fields: Fields, campaign: str | None) -> list[Campaign]:
    campaigns = read_campaigns(settings, fields)
    if campaign is None:
        campaigns.raise_problems()
    for problem in campaigns.problems:
        if problem.campaign == campaign:
            raise ConfigurationError("; ".join(problem.sentences))
    return campaigns.good


def _dry_edition(
    connection: psycopg.Connection, edition: EditionPlan, unknown: list[str], people: int
) -> DryEdition:
    considered = make_plan(connection, edition)
    due = connection.execute(
        "select min(due_at), max(due_at) from plan where state = 'planned'"
    ).fetchone() or (None, None)
    state = connection.execute(
        "select state from activation.editions where edition_id = %s", [edition.edition_id]
    ).fetchone()
    found = findings.of_plan(connection, edition, considered)
    return DryEdition(
        edition_id=edition.edition_id,
        campaign=edition.campaign.name,
        step=edition.mailing.step,
        slot_at=edition.slot_at,
        first_due_at=due[0],
        last_due_at=due[1],
        needs_approval=edition.campaign.approval,
        state=state[0] if state else None,
        hold=_hold(connection, edition, found),
        findings=found,
        people=_people(connection, people),
        unknown=unknown,
    )


def _hold(connection: psycopg.Connection, edition: EditionPlan, found: Findings) -> str | None:
    return (
        arms.share_fault(connection, edition.campaign)
        or gate.size_fault(connection, edition)
        or (
            voucher_stock.shortage(connection, edition.campaign.voucher, found.planned)
            if edition.campaign.voucher
            else None
        )
    )


def _people(connection: psycopg.Connection, people: int) -> list[DryMessage]:
    with connection.cursor(row_factory=class_row(DryMessage)) as cursor:
        return cursor.execute(
            """
            select customer_id, state, state_reason, due_at, arm, variant
            from (
                select
                    plan.*,
                    row_number() over (partition by state_reason order by due_at, customer_id) as place
                from plan
            ) as placed
            where place <= %s
            order by state_reason nulls first, due_at, customer_id
            """,
            [people],
        ).fetchall()
