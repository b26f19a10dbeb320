"""Editions as they are planned: written whole, so that sending reads nothing else."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from rapport.campaigns.edition_plan import EditionPlan
from rapport.campaigns.findings import Findings
from rapport.delivery.configuration import Sender


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


def write(connection: psycopg.Connection, edition: EditionPlan, sender: Sender, run_id: int) -> None:
    """Write the edition and, of `plan`, its messages."""
    _write_edition(connection, edition, sender, run_id)
    _write_messages(connection, edition)


def judge(connection: psycopg.Connection, edition: EditionPlan, found: Findings, fault: str | None) -> None:
    """Say what becomes of the edition: held for its fault, else awaiting approval, paused or approved."""
    _write_counts(connection, edition.edition_id)
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
        {
            "fault": fault,
            "asks": edition.campaign.approval,
            "plan": Jsonb(found.to_json()),
            "edition": edition.edition_id,
        },
    )


def summary(connection: psycopg.Connection, edition_id: str) -> EditionSummary:
    """The edition as it was just planned."""
    with connection.cursor(row_factory=class_row(EditionSummary)) as cursor:
        row = cursor.execute(
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
    assert row is not None
    return row


def _write_edition(connection: psycopg.Connection, edition: EditionPlan, sender: Sender, run_id: int) -> None:
    """Freeze what will be sent: sending reads this and no file, so that an edit needs a new plan."""
    campaign = edition.campaign
    specification = {
        "campaign": campaign.model_dump(mode="json"),
        "sender": sender.model_dump(mode="json"),
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
            "run": run_id,
            "hash": campaign.content_hash(sender),
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
