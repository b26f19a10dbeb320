"""What one customer would get next, and why not: every campaign planned for this one alone, writing nothing.

The rules are those of planning itself (`edition_plan`); only the tables it reads are narrowed down to the
customer, so that this takes as long with a million others as with none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from croniter import croniter
from psycopg import sql
from psycopg.rows import class_row

from rapport.audiences.recipients import RecipientKey
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.configuration import read_campaigns
from rapport.campaigns.edition_plan import EditionPlan, make_plan
from rapport.campaigns.fields import Fields
from rapport.campaigns.journeys import Mailing, mailings
from rapport.campaigns.reasons import REASONS
from rapport.campaigns.slots import edition_name
from rapport.campaigns.tables import Tables
from rapport.delivery.configuration import read_delivery
from rapport.settings import Settings

NOT_CONSIDERED = "not considered"

# The primary keys begin with the segment; a list of them makes one probe each of what would be a scan.
_TABLES = """
create temp view one_members as
select segment, customer_id, reason from segments.members
where segment = any({segments}) and customer_id = {customer};

create temp view one_memberships as
select * from segments.memberships
where segment = any({segments}) and customer_id = {customer};

create temp table one_recipients on commit drop as
select recipient_key, email from activation.recipients where email = any({emails});

create temp table one_messages on commit drop as
select
    message_id, edition_id, campaign, customer_id, recipient_key, entered_at, state, state_reason, due_at,
    claimed_at, accepted_at
from activation.messages
where
    customer_id = any({ids})
    or recipient_key = any(array(select recipient_key from one_recipients));

create temp table one_new_editions (
    edition_id text, campaign text, step text, slot_at timestamptz, state text, state_reason text, cap text
) on commit drop;

create temp view one_editions as
select edition_id, campaign, step, slot_at, state, state_reason, cap
from activation.editions
where edition_id in (select edition_id from one_messages)
union all
select * from one_new_editions;
"""

_NARROWED = Tables(
    members=("pg_temp", "one_members"),
    memberships=("pg_temp", "one_memberships"),
    editions=("pg_temp", "one_editions"),
    messages=("pg_temp", "one_messages"),
    recipients=("pg_temp", "one_recipients"),
)


@dataclass(frozen=True)
class Outlook:
    """What becomes of one mail of a campaign for this customer.

    Args:
        slot_at: of a scheduled campaign its next slot; of others as of when this was asked.
        state: planned, skipped, expired or `NOT_CONSIDERED`.
        reason: why not, in words; None where it is planned.
        due_at: None where they are not considered.
        is_paused: the campaign, or everything, is paused now.
    """

    campaign: str
    description: str
    step: str | None
    slot_at: datetime
    is_scheduled: bool
    state: str
    reason: str | None
    due_at: datetime | None
    arm: str | None
    variant: str | None
    needs_approval: bool
    is_paused: bool


@dataclass(frozen=True)
class _Planned:
    state: str
    state_reason: str | None
    due_at: datetime
    arm: str | None
    variant: str | None


@dataclass(frozen=True)
class _Known:
    """Where the customer stands: segments now, campaigns that considered them, and what is paused."""

    segments: frozenset[str]
    considered: frozenset[str]
    paused: frozenset[str | None]

    def is_paused(self, campaign: str) -> bool:
        return bool(self.paused & {None, campaign})


def outlook(
    connection: psycopg.Connection, settings: Settings, customer_id: str, as_of: datetime
) -> list[Outlook]:
    """Each campaign's next mail to the customer, or why there is none; what is planned comes first.

    The connection's transaction must be rolled back by the caller: temporary tables are made in it.

    Raises:
        ConfigurationError: the sender or the delivery rules are wrong; a wrong campaign is left out.
    """
    delivery = read_delivery(settings)
    fields = Fields.of(connection)
    campaigns = read_campaigns(settings, fields).good
    known = _narrow(connection, settings, customer_id, campaigns)
    found = []
    for campaign in campaigns:
        slot = _next_slot(campaign, as_of)
        for mailing in mailings(campaign):
            edition = EditionPlan(
                campaign,
                mailing,
                edition_name(campaign, mailing, slot),
                slot,
                delivery,
                fields.customer,
                _NARROWED,
            )
            found.append(_of(connection, edition, customer_id, known))
    order = ("planned", "skipped", "expired", NOT_CONSIDERED)
    return sorted(found, key=lambda one: order.index(one.state))


def _next_slot(campaign: Campaign, as_of: datetime) -> datetime:
    if campaign.trigger.schedule is None:
        return as_of
    slot: datetime = croniter(campaign.trigger.schedule, as_of).get_next(datetime)
    return slot


def _narrow(
    connection: psycopg.Connection, settings: Settings, customer_id: str, campaigns: Sequence[Campaign]
) -> _Known:
    emails = [
        row[0]
        for row in connection.execute(
            "select value from identity.identifiers where customer_id = %s and kind = 'email'", [customer_id]
        )
    ]
    former = connection.execute(
        "select old_customer_id from identity.merges where customer_id = %s", [customer_id]
    ).fetchall()
    named = {
        segment
        for one in campaigns
        for segment in (*one.segments_included, *one.audience.exclude, one.trigger.entering)
        if segment is not None
    }
    connection.execute(
        sql.SQL(_TABLES).format(
            segments=sql.Literal(sorted(named)),
            customer=sql.Literal(customer_id),
            emails=sql.Literal(emails),
            ids=sql.Literal([customer_id, *(row[0] for row in former)]),
        )
    )
    _key_new_addresses(connection, settings, emails)
    members = connection.execute("select segment from one_members").fetchall()
    paused = connection.execute("select campaign from activation.pauses where resumed_at is null").fetchall()
    considered = connection.execute("select distinct campaign from one_messages").fetchall()
    return _Known(*(frozenset(row[0] for row in rows) for rows in (members, considered, paused)))


def _key_new_addresses(connection: psycopg.Connection, settings: Settings, emails: Sequence[str]) -> None:
    """Addresses that no planning has met yet have their keys for as long as this lasts."""
    met = {row[0] for row in connection.execute("select email from one_recipients")}
    new = [email for email in emails if email not in met]
    if new:
        key = RecipientKey.from_settings(settings)
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into one_recipients (recipient_key, email) values (%s, %s)",
                [(key.key_of(email), email) for email in new],
            )


def _of(connection: psycopg.Connection, edition: EditionPlan, customer_id: str, known: _Known) -> Outlook:
    planned = None
    if make_plan(connection, edition):
        planned = _planned(connection, customer_id)
        _remember(connection, edition)
    campaign = edition.campaign
    return Outlook(
        campaign=campaign.name,
        description=campaign.description,
        step=edition.mailing.step,
        slot_at=edition.slot_at,
        is_scheduled=campaign.trigger.schedule is not None,
        state=planned.state if planned else NOT_CONSIDERED,
        reason=_reason(planned) if planned else _why_not_considered(campaign, edition.mailing, known),
        due_at=planned.due_at if planned else None,
        arm=planned.arm if planned else None,
        variant=planned.variant if planned else None,
        needs_approval=campaign.approval,
        is_paused=known.is_paused(campaign.name),
    )


def _planned(connection: psycopg.Connection, customer_id: str) -> _Planned | None:
    with connection.cursor(row_factory=class_row(_Planned)) as cursor:
        return cursor.execute(
            "select state, state_reason, due_at, arm, variant from plan where customer_id = %s", [customer_id]
        ).fetchone()


def _remember(connection: psycopg.Connection, edition: EditionPlan) -> None:
    """Let the campaigns that come after count what this one would send."""
    connection.execute(
        "insert into one_new_editions values (%s, %s, %s, %s, 'approved', null, %s)",
        [
            edition.edition_id,
            edition.campaign.name,
            edition.mailing.step,
            edition.slot_at,
            edition.campaign.cap,
        ],
    )
    connection.execute(
        """
        insert into one_messages
        select
            message_id, %s, %s, customer_id, recipient_key, entered_at, state, state_reason, due_at,
            null, null
        from plan
        """,
        [edition.edition_id, edition.campaign.name],
    )


def _reason(planned: _Planned) -> str | None:
    if planned.state_reason is None:
        return None
    return REASONS.get(planned.state_reason, planned.state_reason.replace("_", " "))


def _why_not_considered(campaign: Campaign, mailing: Mailing, known: _Known) -> str:
    """Which rule of the audience or of the trigger leaves them out."""
    if mailing.previous is not None:
        return (
            f"comes after the mail {mailing.previous}, which they have not got yet, or the journey has ended"
        )
    excluded = sorted(known.segments.intersection(campaign.audience.exclude))
    if excluded:
        return f"is in {_listed(excluded, 'and')}, which the campaign leaves out"
    if not known.segments.intersection(campaign.segments_included):
        return f"is not in {_listed(campaign.segments_included, 'or')}"
    if campaign.trigger.entering:
        if campaign.trigger.entering not in known.segments:
            return f"is not in {campaign.trigger.entering}"
        if campaign.name in known.considered:
            return f"was considered already when they entered {campaign.trigger.entering}"
        return f"entered {campaign.trigger.entering} too long ago"
    return "has a message of this edition already"


def _listed(names: Sequence[str], word: str) -> str:
    return f" {word} ".join(names)
