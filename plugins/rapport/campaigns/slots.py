"""Which edition is planned at a slot, and what becomes of those that it takes the place of."""

from datetime import UTC, datetime

import psycopg

from rapport.campaigns import voucher_stock
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.journeys import Mailing


def edition_name(campaign: Campaign, mailing: Mailing, slot_at: datetime) -> str:
    """<campaign>/<slot>, of a journey's mail <campaign>/<step>/<slot>."""
    slot = slot_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return "/".join(part for part in (campaign.name, mailing.step, slot) if part)


def supersede(
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


def edition_to_plan(
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
