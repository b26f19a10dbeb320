"""Editions that are due, as they were frozen when they were planned, until nothing of them is left."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import psycopg
from pydantic import ValidationError

from rapport import warehouse
from rapport.campaigns.campaign import Campaign
from rapport.delivery import settling
from rapport.delivery.addresses import campaign_fields
from rapport.delivery.configuration import Delivery, Sender
from rapport.delivery.events import has_bodies
from rapport.delivery.faults import TemplateMistakes
from rapport.delivery.rendering import MailTemplate, compile_mail


@dataclass(frozen=True)
class Edition:
    """An edition that is due, as it was frozen when it was planned."""

    edition_id: str
    step: str | None
    due_at: datetime
    campaign: Campaign
    sender: Sender
    templates: dict[tuple[str, str], MailTemplate]


def anything_due(url: str, *, now: datetime) -> bool:
    """Whether `send_due` would find something to do."""
    with warehouse.connect(url, autocommit=True) as connection:
        row = connection.execute(
            """
            select exists (
                select from activation.editions
                where
                    state in ('approved', 'sending')
                    and due_at <= %(now)s
                    and not exists (
                        select from activation.pauses where pauses.campaign is null and resumed_at is null
                    )
                    and (
                        exists (
                            select from activation.messages
                            where
                                messages.edition_id = editions.edition_id
                                and messages.claimed_at is null
                                and messages.state_reason is null
                                and messages.state = 'planned'
                                and messages.due_at <= %(now)s
                        )
                        or not exists (
                            select from activation.messages
                            where
                                messages.edition_id = editions.edition_id
                                and messages.claimed_at is null
                                and messages.state_reason is null
                                and messages.state = 'planned'
                        )
                    )
            )
            """,
            {"now": now},
        ).fetchone()
        return (
            (row is not None and bool(row[0]))
            or settling.anything_left_behind(connection)
            or settling.anything_to_give_up(connection)
            or has_bodies(connection)
        )


def due_editions(connection: psycopg.Connection, delivery: Delivery, now: datetime) -> Iterator[Edition]:
    """Those that are approved and due, the most important first; one that cannot be sent any more is held."""
    rows = connection.execute(
        """
        select edition_id, step, due_at, specification
        from activation.editions
        where state in ('approved', 'sending') and due_at <= %s
        order by (specification #>> '{campaign,priority}')::int desc, due_at, edition_id
        """,
        [now],
    ).fetchall()
    for edition_id, step, due_at, specification in rows:
        try:
            campaign = Campaign.model_validate(specification["campaign"])
            sender = Sender.model_validate(specification["sender"])
            templates = {
                (step, variant): compile_mail(
                    *campaign.mail(step, variant),
                    link_fields=campaign_fields(campaign.name, edition_id, step or variant),
                )
                for step, variant in campaign.contents
            }
        except (ValidationError, TemplateMistakes):
            # Planned by an older version of Rapport that allowed more.
            settling.hold(
                connection, edition_id, "template_error: this version of Rapport refuses what was planned"
            )
            continue
        if campaign.cap not in delivery.caps:
            settling.hold(
                connection, edition_id, f"no_cap_class: config/delivery.yml does not name {campaign.cap}"
            )
            continue
        yield Edition(edition_id, step, due_at, campaign, sender, templates)


def finish(connection: psycopg.Connection, edition_id: str) -> None:
    """Call the edition done where nothing of it is planned or under way any more."""
    connection.execute(
        """
        update activation.editions set state = 'done'
        where
            edition_id = %(edition)s
            and state = 'sending'
            and not exists (
                select from activation.messages
                where
                    edition_id = %(edition)s
                    and claimed_at is null
                    and state_reason is null
                    and state = 'planned'
            )
            and not exists (
                select from activation.attempts where edition_id = %(edition)s and ended_at is null
            )
        """,
        {"edition": edition_id},
    )
