"""What people decide about campaigns: approve, reject, pause, resume; called by pages, commands and tasks."""

from typing import Any, Literal

import psycopg

from rapport.campaigns.approvals import withdraw
from rapport.errors import DecisionRefused

Through = Literal["page", "command", "task"]


def approve(
    connection: psycopg.Connection,
    edition_id: str,
    edition_hash: str,
    *,
    by: str,
    through: Through,
    comment: str | None = None,
) -> None:
    """Let an edition that awaits approval be sent, as it was planned under `edition_hash`.

    Raises:
        DecisionRefused: there is no such edition, it awaits no approval, it was planned afresh since the
            person saw it, or too long ago.
    """
    with connection.transaction():
        edition = _locked(connection, edition_id)
        if edition["state"] != "awaiting_approval":
            raise DecisionRefused(
                f"edition {edition_id} is {edition['state']}; only one that awaits approval can be approved"
            )
        if edition["edition_hash"] != edition_hash:
            raise DecisionRefused(
                f"edition {edition_id} was planned afresh since you saw it; look at it again, then decide"
            )
        if edition["is_too_late"]:
            raise DecisionRefused(
                f"edition {edition_id} was to be approved within its campaign's approval_within of being "
                "planned; it is not sent, the next edition can be"
            )
        _record(connection, edition, "approved", by, through, comment)
        connection.execute(
            """
            update activation.editions
            set
                state = case when exists (
                    select from activation.pauses
                    where pauses.campaign = editions.campaign and resumed_at is null
                ) then 'paused' else 'approved' end,
                state_reason = null
            where edition_id = %s
            """,
            [edition_id],
        )


def reject(
    connection: psycopg.Connection,
    edition_id: str,
    *,
    by: str,
    through: Through,
    comment: str | None = None,
) -> int:
    """Cancel an edition, whatever of it is not sent yet; returns how many messages that was.

    Raises:
        DecisionRefused: there is no such edition, or it is done or cancelled already.
    """
    with connection.transaction():
        edition = _locked(connection, edition_id)
        if edition["state"] in ("done", "cancelled"):
            raise DecisionRefused(f"edition {edition_id} is {edition['state']}; there is nothing to cancel")
        _record(connection, edition, "rejected", by, through, comment)
        connection.execute(
            """
            update activation.editions set state = 'cancelled', state_reason = 'by_hand'
            where edition_id = %s
            """,
            [edition_id],
        )
        return withdraw(connection, [edition_id], "by_hand")


def pause(
    connection: psycopg.Connection, campaign: str | None, *, by: str, reason: str | None = None
) -> bool:
    """Stop a campaign, or everything where `campaign` is None; False where that was so already.

    A request that is under way is not called back; none begins after this is committed.
    """
    with connection.transaction():
        paused = connection.execute(
            """
            insert into activation.pauses (campaign, paused_by, reason) values (%s, %s, %s)
            on conflict (campaign) where resumed_at is null do nothing
            """,
            [campaign, by, reason],
        ).rowcount
        connection.execute(
            """
            update activation.editions set state = 'paused', state_reason = %(reason)s
            where campaign = %(campaign)s and state in ('approved', 'sending')
            """,
            {"campaign": campaign, "reason": reason},
        )
    return paused == 1


def resume(connection: psycopg.Connection, campaign: str | None, *, by: str) -> bool:
    """Let a paused campaign go on, or end the pause of everything; False where there was none."""
    with connection.transaction():
        resumed = connection.execute(
            """
            update activation.pauses set resumed_by = %s, resumed_at = now()
            where campaign is not distinct from %s and resumed_at is null
            """,
            [by, campaign],
        ).rowcount
        connection.execute(
            """
            update activation.editions set state = 'approved', state_reason = null
            where
                campaign = %s
                and (state = 'paused' or (state = 'held' and state_reason like 'sending: %%'))
            """,
            [campaign],
        )
    return resumed == 1


def _locked(connection: psycopg.Connection, edition_id: str) -> dict[str, Any]:
    row = connection.execute(
        """
        select
            edition_id, state, edition_hash,
            planned_at + (specification #>> '{campaign,approval_within}')::interval <= now()
        from activation.editions where edition_id = %s
        for update
        """,
        [edition_id],
    ).fetchone()
    if row is None:
        raise DecisionRefused(f"there is no edition {edition_id}; `rapport campaign status` lists them")
    return dict(zip(("edition_id", "state", "edition_hash", "is_too_late"), row, strict=True))


def _record(
    connection: psycopg.Connection,
    edition: dict[str, Any],
    decision: str,
    by: str,
    through: Through,
    comment: str | None,
) -> None:
    connection.execute(
        """
        insert into activation.approvals (
            edition_id, edition_hash, decision, decided_by, decided_through, comment
        )
        values (%s, %s, %s, %s, %s, %s)
        """,
        [edition["edition_id"], edition["edition_hash"], decision, by, through, comment],
    )
