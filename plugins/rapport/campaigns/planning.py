"""Which editions there are at a moment, and what becomes of each: planned, gated, approved or held."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from rapport import warehouse
from rapport.audiences import built_segments
from rapport.audiences.recipients import RecipientKey, ensure_recipients, record_withdrawals
from rapport.campaigns import arms, findings, gate, planned_editions, slots, voucher_stock
from rapport.campaigns.approvals import time_out_approvals
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.configuration import read_campaigns
from rapport.campaigns.edition_plan import EditionPlan, make_plan
from rapport.campaigns.fields import Fields
from rapport.campaigns.journeys import Mailing, mailings
from rapport.campaigns.planned_editions import EditionSummary
from rapport.delivery.configuration import Delivery, Sender, read_delivery, read_sender
from rapport.ledger import Run
from rapport.settings import Settings


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


def _plan(
    connection: psycopg.Connection, campaign: Campaign, mailing: Mailing, planning: _Planning
) -> EditionSummary | None:
    slot_at = planning.run.as_of if campaign.trigger.entering else campaign.latest_slot(planning.run.as_of)
    if slot_at is None:
        return None
    content_hash = campaign.content_hash(planning.sender)
    slots.supersede(connection, campaign, mailing, slot_at, content_hash)
    edition_id, is_new = slots.edition_to_plan(connection, campaign, mailing, slot_at, content_hash)
    if edition_id is None:
        return None
    edition = EditionPlan(campaign, mailing, edition_id, slot_at, planning.delivery, planning.columns)
    considered = make_plan(connection, edition)
    if not considered and is_new and campaign.trigger.entering:
        return None
    planned_editions.write(connection, edition, planning.sender, planning.run.run_id)
    fault = planning.run_fault or _edition_fault(connection, edition, planning)
    found = findings.of_plan(connection, edition, considered)
    if fault is None:
        arms.store(connection, campaign, edition_id)
    elif campaign.voucher is not None:
        voucher_stock.give_back(connection, edition_id)
    planned_editions.judge(connection, edition, found, fault)
    return planned_editions.summary(connection, edition_id)


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
