"""Which editions there are at a moment, and what becomes of each: planned, gated, approved or held."""

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from rapport import warehouse
from rapport.audiences.recipients import RecipientKey, ensure_recipients, record_withdrawals
from rapport.campaigns import candidates, gate
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.configuration import read_campaigns
from rapport.campaigns.fields import Fields
from rapport.delivery.configuration import Delivery, Sender, read_delivery, read_sender
from rapport.ledger import Run
from rapport.settings import Settings


@dataclass(frozen=True)
class EditionSummary:
    """An edition that a call planned. `skipped` counts messages by reason."""

    edition_id: str
    campaign: str
    slot_at: datetime
    due_at: datetime
    state: str
    state_reason: str | None
    planned: int
    skipped: dict[str, int]


@dataclass(frozen=True)
class _Planning:
    run: Run
    sender: Sender
    delivery: Delivery
    key: RecipientKey
    run_fault: str | None


def plan_campaigns(url: str, run: Run, settings: Settings) -> list[EditionSummary]:
    """Plan and gate what is due as of the run, higher priority first, one transaction an edition.

    Planning again, with no new slot and no new entry, changes nothing; a held edition is planned afresh.

    Raises:
        ConfigurationError: some campaign files are wrong, and the others were planned; or the sender, the
            delivery rules or the source files are, and nothing was.
        RecipientKeyChanged: the recipients of this warehouse were made with another key.
    """
    sender, delivery = read_sender(settings), read_delivery(settings)
    summaries = []
    with warehouse.connect(url) as connection:
        key = RecipientKey.from_settings(settings)
        key.verify(connection)
        ensure_recipients(connection, key)
        record_withdrawals(connection, key)
        fault = gate.run_fault(connection, run, settings)
        campaigns = read_campaigns(settings, Fields.of(connection))
        connection.commit()
        planning = _Planning(run, sender, delivery, key, fault)
        for campaign in campaigns.good:
            with connection.transaction():
                summary = _plan(connection, campaign, planning)
            if summary is not None:
                summaries.append(summary)
    campaigns.raise_problems()
    return summaries


def _plan(connection: psycopg.Connection, campaign: Campaign, planning: _Planning) -> EditionSummary | None:
    slot_at = planning.run.as_of if campaign.trigger.entering else campaign.latest_slot(planning.run.as_of)
    if slot_at is None:
        return None
    _supersede(connection, campaign, slot_at)
    edition_id = _edition_to_plan(connection, campaign, slot_at)
    if edition_id is None:
        return None
    _write_edition(connection, campaign, edition_id, slot_at, planning)
    cap = planning.delivery.caps[campaign.cap]
    candidates.insert_messages(connection, campaign, edition_id, slot_at, cap)
    fault = planning.run_fault or gate.template_fault(
        connection, campaign, edition_id, planning.sender, planning.key.secret
    )
    connection.execute(
        "update activation.editions set state = %s, state_reason = %s where edition_id = %s",
        ["held" if fault else "approved", fault, edition_id],
    )
    return _summary(connection, edition_id)


def _supersede(connection: psycopg.Connection, campaign: Campaign, slot_at: datetime) -> None:
    """Give up what was held for an earlier slot. Nobody in it has used up their entry."""
    connection.execute(
        """
        with given_up as (
            update activation.editions set state = 'cancelled', state_reason = 'superseded'
            where campaign = %s and state = 'held' and slot_at < %s
            returning edition_id
        )

        update activation.messages set state = 'cancelled', state_reason = 'superseded'
        where state = 'planned' and edition_id in (select edition_id from given_up)
        """,
        [campaign.name, slot_at],
    )


def _edition_to_plan(connection: psycopg.Connection, campaign: Campaign, slot_at: datetime) -> str | None:
    """The edition to plan at this slot: one that is held, cleared of what was not sent, or a new one."""
    name = f"{campaign.name}/{slot_at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}"
    editions = connection.execute(
        """
        select edition_id, state from activation.editions
        where campaign = %s and slot_at = %s order by planned_at
        """,
        [campaign.name, slot_at],
    ).fetchall()
    for edition_id, state in editions:
        if state == "held":
            connection.execute(
                """
                delete from activation.messages
                where edition_id = %s and state in ('planned', 'skipped', 'cancelled', 'expired')
                """,
                [edition_id],
            )
            return str(edition_id)
    if campaign.trigger.entering:
        if not candidates.has_new_entries(connection, campaign, slot_at):
            return None
        return name if not editions else f"{name}/{len(editions) + 1}"
    return None if editions else name


def _write_edition(
    connection: psycopg.Connection,
    campaign: Campaign,
    edition_id: str,
    slot_at: datetime,
    planning: _Planning,
) -> None:
    """Freeze what will be sent: sending reads this and no file, so that an edit needs a new plan."""
    specification = {
        "campaign": campaign.model_dump(mode="json"),
        "sender": planning.sender.model_dump(mode="json"),
    }
    connection.execute(
        """
        insert into activation.editions (
            edition_id, campaign, slot_at, due_at, run_id, state, edition_hash, specification
        )
        values (%s, %s, %s, %s, %s, 'planned', %s, %s)
        on conflict (edition_id) do update
        set
            run_id = excluded.run_id,
            state = excluded.state,
            state_reason = null,
            edition_hash = excluded.edition_hash,
            specification = excluded.specification,
            planned_at = now()
        where editions.state = 'held'
        """,
        [
            edition_id,
            campaign.name,
            slot_at,
            slot_at,
            planning.run.run_id,
            campaign.content_hash(planning.sender),
            Jsonb(specification),
        ],
    )


def _summary(connection: psycopg.Connection, edition_id: str) -> EditionSummary:
    with connection.cursor(row_factory=class_row(EditionSummary)) as cursor:
        summary = cursor.execute(
            """
            with reasons as (
                select state_reason, count(*) as messages
                from activation.messages
                where edition_id = %(edition)s and state = 'skipped'
                group by state_reason
            )

            select
                edition_id, campaign, slot_at, due_at, state, state_reason,
                (
                    select count(*) from activation.messages
                    where messages.edition_id = editions.edition_id and messages.state <> 'skipped'
                ) as planned,
                coalesce(
                    (select jsonb_object_agg(state_reason, messages order by state_reason) from reasons), '{}'
                ) as skipped
            from activation.editions
            where edition_id = %(edition)s
            """,
            {"edition": edition_id},
        ).fetchone()
    assert summary is not None
    return summary
