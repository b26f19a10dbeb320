"""A large edition leaves in two parts: 2 % first, then, half an hour later and if all is well, the rest.

The local mailbox does not wait: nobody is reached by it.
"""

import math
from datetime import datetime, timedelta
from functools import cached_property

import psycopg

from rapport.delivery import quotas
from rapport.delivery.settling import hold_campaign
from rapport.delivery.transports import Transport

LARGE = 5_000  # messages; an edition of more has a ramp
FIRST_SHARE = 0.02
PAUSE = timedelta(minutes=30)
WORST_BOUNCES = 0.05  # hard bounces among those of the first share that were handed over


class Ramp:
    """How much of an edition may leave."""

    def __init__(self, connection: psycopg.Connection, edition_id: str, transport: Transport) -> None:
        self._connection = connection
        self._edition_id = edition_id
        self._transport = transport
        self._is_passed = transport.is_idempotent

    def share(self, moment: datetime) -> int | None:
        """How many messages of the edition may have left by now, at most; None: all; 0: none for now."""
        if self._is_passed:
            return None
        row = self._connection.execute(
            """
            select campaign, ramp_sent_at, ramp_passed_at from activation.editions where edition_id = %s
            """,
            [self._edition_id],
        ).fetchone()
        assert row is not None
        campaign, sent_at, passed_at = row
        if passed_at is not None or (sent_at is None and self._size <= LARGE):
            self._is_passed = True
            return None
        share = math.ceil(self._size * FIRST_SHARE)
        sent = quotas.sent(self._connection, self._edition_id)
        if sent_at is None and sent < share:
            return share
        if sent_at is None:
            self._note("ramp_sent_at", moment)
            return 0
        if moment < sent_at + PAUSE:
            return 0
        if not self._was_resumed(campaign, sent_at) and (fault := self._fault()):
            hold_campaign(self._connection, campaign, fault)
            return 0
        self._note("ramp_passed_at", moment)
        self._is_passed = True
        return None

    @cached_property
    def _size(self) -> int:
        row = self._connection.execute(
            """
            select count(*) from activation.messages
            where edition_id = %s and state not in ('skipped', 'cancelled', 'expired')
            """,
            [self._edition_id],
        ).fetchone()
        return int(row[0]) if row else 0

    def _fault(self) -> str | None:
        row = self._connection.execute(
            """
            select
                count(*) filter (where state = 'accepted') as accepted,
                count(*) filter (
                    where exists (
                        select from activation.message_events
                        where
                            message_events.message_id = messages.message_id
                            and message_events.event = 'bounced'
                            and message_events.class = 'hard'
                    )
                ) as bounced,
                count(*) filter (
                    where exists (
                        select from activation.message_events
                        where message_events.message_id = messages.message_id
                    )
                ) as told_of
            from activation.messages
            where edition_id = %s and state in ('accepted', 'uncertain', 'unknown')
            """,
            [self._edition_id],
        ).fetchone()
        assert row is not None
        accepted, bounced, told_of = row
        if self._transport.has_events and told_of == 0:
            return f"no event came back for the first {accepted} mails; look at the webhook"
        if bounced > accepted * WORST_BOUNCES:
            return f"{bounced} of the first {accepted} mails bounced for good"
        return None

    def _was_resumed(self, campaign: str, sent_at: datetime) -> bool:
        """Whether a person has looked at what was found wrong, and lets it go on."""
        row = self._connection.execute(
            """
            select exists (
                select from activation.pauses
                where campaign = %s and paused_by = 'rapport' and paused_at > %s and resumed_at is not null
            )
            """,
            [campaign, sent_at],
        ).fetchone()
        return row is not None and bool(row[0])

    def _note(self, column: str, moment: datetime) -> None:
        self._connection.execute(
            f"update activation.editions set {column} = %s where edition_id = %s and {column} is null",
            [moment, self._edition_id],
        )
