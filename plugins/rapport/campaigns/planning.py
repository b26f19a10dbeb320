"""Which editions there are at a moment, and what becomes of each: planned, gated, approved or held."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from rapport import warehouse
from rapport.audiences import built_segments
from rapport.audiences.recipients import RecipientKey, ensure_recipients, record_withdrawals
from rapport.campaigns import arms, findings, gate, voucher_stock
from rapport.campaigns.approvals import time_out_approvals
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.configuration import read_campaigns
from rapport.campaigns.edition_plan import EditionPlan, make_plan
from rapport.campaigns.fields import Fields
from rapport.campaigns.journeys import Mailing, mailings
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
    columns: Mapping[str, str]
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
        time_out_approvals(connection, run.as_of)
        fault = gate.run_fault(connection, run, settings)
        fields = Fields.of(connection)
        campaigns = read_campaigns(settings, fields)
        connection.commit()
        planning = _Planning(run, sender, delivery, key, fields.customer, fault)
        for campaign in campaigns.good:
            for mailing in mailings(campaign):
                with connection.transaction():
                    summary = _plan(connection, campaign, mailing, planning)
                if summary is not None:
                    summaries.append(summary)
    campaigns.raise_problems()
    return summaries


def edition_name(campaign: Campaign, mailing: Mailing, slot_at: datetime) -> str:
    """<campaign>/<slot>, of a journey's mail <campaign>/<step>/<slot>."""
    slot = slot_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return "/".join(part for part in (campaign.name, mailing.step, slot) if part)


def _plan(
    connection: psycopg.Connection, campaign: Campaign, mailing: Mailing, planning: _Planning
) -> EditionSummary | None:
    slot_at = planning.run.as_of if campaign.trigger.entering else campaign.latest_slot(planning.run.as_of)
    if slot_at is None:
        return None
    content_hash = campaign.content_hash(planning.sender)
    _supersede(connection, campaign, mailing, slot_at, content_hash)
    edition_id, is_new = _edition_to_plan(connection, campaign, mailing, slot_at, content_hash)
    if edition_id is None:
        return None
    edition = EditionPlan(campaign, mailing, edition_id, slot_at, planning.delivery, planning.columns)
    considered = make_plan(connection, edition)
    if not considered and is_new and campaign.trigger.entering:
        return None
    _write_edition(connection, edition, planning)
    _write_messages(connection, edition)
    fault = planning.run_fault or _edition_fault(connection, edition, planning)
    _write_counts(connection, edition_id)
    found = findings.of_plan(connection, edition, considered)
    if fault is None:
        arms.store(connection, campaign, edition_id)
    elif campaign.voucher is not None:
        voucher_stock.give_back(connection, edition_id)
    connection.execute(
        """
        update activation.editions
        set
            state = case
                when %(fault)s::text is not null then 'held'
                when %(asks)s then 'awaiting_approval'
                when exists (
                    select from activation.pauses
                    where pauses.campaign = editions.campaign and resumed_at is null
                ) then 'paused'
                else 'approved'
            end,
            state_reason = %(fault)s,
            plan = %(plan)s
        where edition_id = %(edition)s
        """,
        {"fault": fault, "asks": campaign.approval, "plan": Jsonb(found.to_json()), "edition": edition_id},
    )
    return _summary(connection, edition_id)


def _edition_fault(connection: psycopg.Connection, edition: EditionPlan, planning: _Planning) -> str | None:
    campaign = edition.campaign
    return (
        _segment_fault(connection, campaign)
        or arms.share_fault(connection, campaign)
        or gate.size_fault(connection, edition)
        or (
            voucher_stock.take(connection, campaign.voucher, edition.edition_id) if campaign.voucher else None
        )
        or gate.mail_fault(connection, edition, planning.sender, planning.key.secret)
        or gate.transport_fault(connection, planning.delivery)
    )


def _segment_fault(connection: psycopg.Connection, campaign: Campaign) -> str | None:
    """A segment made in the pages that could not be built has the members of another day."""
    named = [*campaign.segments_included, *campaign.audience.exclude, *campaign.member_segments]
    found = built_segments.held(connection, named)
    return f"segment_held: {found[0]}" if found else None


def _supersede(
    connection: psycopg.Connection, campaign: Campaign, mailing: Mailing, slot_at: datetime, content_hash: str
) -> None:
    """Give up what was held for an earlier slot, or awaits approval of what the file no longer says.

    Nobody in it has used up their entry.
    """
    connection.execute(
        """
        with given_up as (
            update activation.editions set state = 'cancelled', state_reason = 'superseded'
            where
                campaign = %(campaign)s
                and step is not distinct from %(step)s
                and slot_at < %(slot_at)s
                and (state = 'held' or (state = 'awaiting_approval' and edition_hash <> %(hash)s))
                and state_reason is distinct from 'restored'
            returning edition_id
        )

        update activation.messages set state = 'cancelled', state_reason = 'superseded'
        where state = 'planned' and edition_id in (select edition_id from given_up)
        """,
        {"campaign": campaign.name, "step": mailing.step, "slot_at": slot_at, "hash": content_hash},
    )


def _edition_to_plan(
    connection: psycopg.Connection, campaign: Campaign, mailing: Mailing, slot_at: datetime, content_hash: str
) -> tuple[str | None, bool]:
    """The edition to plan at this slot, and whether it is new.

    One that is held is planned afresh, cleared of what was not sent; so is one that awaits approval of what
    the file no longer says.
    """
    name = edition_name(campaign, mailing, slot_at)
    editions = connection.execute(
        """
        select
            edition_id,
            -- Of a restored one nobody knows who got it; that takes a person.
            (state = 'held' and state_reason is distinct from 'restored')
            or (state = 'awaiting_approval' and edition_hash <> %s)
        from activation.editions
        where campaign = %s and step is not distinct from %s and slot_at = %s
        order by planned_at
        """,
        [content_hash, campaign.name, mailing.step, slot_at],
    ).fetchall()
    for edition_id, is_open in editions:
        if is_open:
            voucher_stock.give_back(connection, edition_id)
            connection.execute(
                """
                delete from activation.messages
                where edition_id = %s and state in ('planned', 'skipped', 'cancelled', 'expired')
                """,
                [edition_id],
            )
            return str(edition_id), False
    if campaign.trigger.entering:
        return (name if not editions else f"{name}/{len(editions) + 1}"), True
    return (None if editions else name), True


def _write_edition(connection: psycopg.Connection, edition: EditionPlan, planning: _Planning) -> None:
    """Freeze what will be sent: sending reads this and no file, so that an edit needs a new plan."""
    campaign = edition.campaign
    specification = {
        "campaign": campaign.model_dump(mode="json"),
        "sender": planning.sender.model_dump(mode="json"),
    }
    connection.execute(
        """
        insert into activation.editions (
            edition_id, campaign, step, slot_at, due_at, expires_at, run_id, state, edition_hash,
            specification
        )
        select
            %(edition)s, %(campaign)s, %(step)s, %(slot_at)s,
            coalesce(min(due_at), %(slot_at)s),
            coalesce(max(expires_at), %(slot_at)s + %(expires_after)s),
            %(run)s, 'planned', %(hash)s, %(specification)s
        from plan
        where state = 'planned'
        on conflict (edition_id) do update
        set
            run_id = excluded.run_id,
            due_at = excluded.due_at,
            expires_at = excluded.expires_at,
            state = excluded.state,
            state_reason = null,
            edition_hash = excluded.edition_hash,
            specification = excluded.specification,
            planned_at = now()
        """,
        {
            "edition": edition.edition_id,
            "campaign": campaign.name,
            "step": edition.mailing.step,
            "slot_at": edition.slot_at,
            "expires_after": campaign.expires_after,
            "run": planning.run.run_id,
            "hash": campaign.content_hash(planning.sender),
            "specification": Jsonb(specification),
        },
    )


def _write_messages(connection: psycopg.Connection, edition: EditionPlan) -> None:
    """Copy `plan`; the ids of messages depend on nothing but the edition and the recipient."""
    names = {"edition": edition.edition_id, "campaign": edition.campaign.name}
    connection.execute(
        """
        insert into activation.messages (
            message_id, edition_id, campaign, customer_id, recipient_key, entered_at, state, state_reason,
            due_at, expires_at, arm, variant
        )
        select
            message_id, %(edition)s, %(campaign)s, customer_id, recipient_key, entered_at, state,
            state_reason, due_at, expires_at, arm, variant
        from plan
        order by recipient_key
        """,
        names,
    )


def _write_counts(connection: psycopg.Connection, edition_id: str) -> None:
    """Who got nothing for which reason; this outlives the rows."""
    connection.execute("delete from activation.edition_counts where edition_id = %s", [edition_id])
    connection.execute(
        """
        insert into activation.edition_counts (edition_id, reason, messages)
        select %s, state_reason, count(*) from plan where state = 'skipped' group by state_reason
        """,
        [edition_id],
    )


def _summary(connection: psycopg.Connection, edition_id: str) -> EditionSummary:
    with connection.cursor(row_factory=class_row(EditionSummary)) as cursor:
        summary = cursor.execute(
            """
            with counted as (
                select state, state_reason, count(*) as messages
                from activation.messages
                where edition_id = %(edition)s
                group by state, state_reason
            )

            select
                edition_id, campaign, slot_at, due_at, state, state_reason,
                (select coalesce(sum(messages), 0)::bigint from counted
                    where state not in ('skipped', 'expired')) as planned,
                coalesce(
                    (
                        select jsonb_object_agg(state_reason, messages order by state_reason) from counted
                        where state = 'skipped'
                    ),
                    '{}'
                ) as skipped
            from activation.editions
            where edition_id = %(edition)s
            """,
            {"edition": edition_id},
        ).fetchone()
    assert summary is not None
    return summary
