"""The temporary table `plan`: everybody an edition considers, with what they get and when, or why not.

Four tables in turn, so that the server knows their sizes: who is considered, for whom it is meant, at which
address, what becomes of them. Nothing but temporary tables is written; who plans for real copies `plan` into
activation.messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from rapport.campaigns import addressed, arms, candidates, judged, meant, recipient_hours
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.journeys import Mailing
from rapport.campaigns.tables import NOW, Tables
from rapport.delivery.configuration import Delivery, Topic


@dataclass(frozen=True)
class EditionPlan:
    """What is planned: a campaign's mailing at a slot. `columns` are those of marts.customers, with types."""

    campaign: Campaign
    mailing: Mailing
    edition_id: str
    slot_at: datetime
    delivery: Delivery
    columns: Mapping[str, str]
    tables: Tables = NOW

    def parameters(self) -> dict[str, Any]:
        """Values for the placeholders of the statements of planning."""
        campaign = self.campaign
        cap = self.delivery.caps[campaign.cap]
        return {
            "campaign": campaign.name,
            "edition": self.edition_id,
            "step": self.mailing.step,
            "previous": self.mailing.previous,
            "wait": self.mailing.wait,
            "slot_at": self.slot_at,
            "moment": self.slot_at,
            "include": campaign.segments_included,
            "own_include": campaign.audience.include,
            "exclude": campaign.audience.exclude,
            "entering": campaign.trigger.entering,
            "expires_after": campaign.expires_after,
            "topic": campaign.topic,
            "double_opt_in": self.delivery.topics.get(campaign.topic, Topic()).double_opt_in,
            "re_entry": campaign.re_entry,
            "cap": campaign.cap,
            "cap_messages": cap.messages,
            "cap_per": cap.per,
            "sunset": self.delivery.sunset_after,
            **recipient_hours.parameters(campaign),
            **arms.parameters(campaign, self.delivery),
        }


_TABLES = """
drop table if exists pg_temp.candidates, pg_temp.meant, pg_temp.addressed, pg_temp.plan;

create temp table candidates (
    customer_id text not null, entered_at timestamptz, base_at timestamptz not null,
    is_late boolean not null
) on commit drop;

create temp table meant (
    customer_id text not null, entered_at timestamptz, base_at timestamptz not null, zone text not null,
    email text, is_granted boolean not null, confirmed_at timestamptz, last_active_at timestamptz, reason text
) on commit drop;

create temp table addressed (
    customer_id text not null, entered_at timestamptz, recipient_key text, is_granted boolean not null,
    confirmed_at timestamptz, due_at timestamptz not null, last_active_at timestamptz, reason text
) on commit drop;

create temp table plan (
    message_id uuid not null, customer_id text not null, recipient_key text, entered_at timestamptz,
    state text not null, state_reason text, due_at timestamptz not null, expires_at timestamptz not null,
    arm text, variant text, global_arm text
) on commit drop;

set local work_mem = '128MB';
"""


def make_plan(connection: psycopg.Connection, edition: EditionPlan) -> int:
    """Fill `plan`, which lasts as long as the transaction; how many people were considered.

    The recipients of the warehouse must be known (`ensure_recipients`).
    """
    parameters = edition.parameters()
    connection.execute(_TABLES)
    if edition.campaign.window is not None:
        parameters["zones"] = recipient_hours.known_zones(connection)
    considered = candidates.fill(connection, edition, parameters)
    if considered:
        meant.fill(connection, edition, parameters)
        addressed.fill(connection, edition, parameters)
        judged.fill(connection, edition, parameters)
    return considered
