"""Rows of people who got nothing are kept for 90 days; their number stays in activation.edition_counts."""

from datetime import datetime, timedelta

import psycopg

from rapport.campaigns.journeys import PASSED_OVER

KEPT = timedelta(days=90)

# Counted from when the edition expired: until then an entry in it could be considered again. The holdout
# stays, as what the effect is measured against; so does what a journey looks back at.
_OLD_EDITION = """
    editions.expires_at < %(before)s and not coalesce(editions.plan ? 'forgotten', false)
"""
_FORGOTTEN = """
    messages.edition_id = editions.edition_id
    and messages.state = 'skipped'
    and messages.state_reason not in ('holdout', 'global_holdout')
    and (editions.step is null or messages.state_reason <> all(%(passed_over)s))
"""


def any_skipped_long_ago(connection: psycopg.Connection, now: datetime) -> bool:
    """Whether `forget_skipped` would find anything."""
    row = connection.execute(
        f"""
        select exists (
            select from activation.editions
            where {_OLD_EDITION} and exists (select from activation.messages where {_FORGOTTEN})
        )
        """,
        _parameters(now),
    ).fetchone()
    return row is not None and bool(row[0])


def forget_skipped(connection: psycopg.Connection, now: datetime) -> int:
    """Remove the rows of those whom editions skipped that expired 90 days ago or earlier; how many."""
    with connection.transaction():
        # Claiming skips people too, whom the plan had not counted.
        connection.execute(
            f"""
            insert into activation.edition_counts (edition_id, reason, messages)
            select messages.edition_id, messages.state_reason, count(*)
            from activation.messages
            inner join activation.editions using (edition_id)
            where messages.state = 'skipped' and {_OLD_EDITION}
            group by messages.edition_id, messages.state_reason
            on conflict (edition_id, reason) do update
            set messages = greatest(excluded.messages, edition_counts.messages)
            """,
            _parameters(now),
        )
        connection.execute(
            f"""
            update activation.vouchers set message_id = null, taken_at = null
            from activation.messages
            inner join activation.editions using (edition_id)
            where vouchers.message_id = messages.message_id and {_OLD_EDITION} and {_FORGOTTEN}
            """,
            _parameters(now),
        )
        removed = connection.execute(
            f"""
            delete from activation.messages using activation.editions
            where {_OLD_EDITION} and {_FORGOTTEN}
            """,
            _parameters(now),
        ).rowcount
        connection.execute(
            f"""
            update activation.editions
            set plan = coalesce(plan, '{{}}') || jsonb_build_object('forgotten', %(now)s::timestamptz)
            where {_OLD_EDITION}
            """,
            _parameters(now),
        )
    return removed


def _parameters(now: datetime) -> dict[str, object]:
    return {"before": now - KEPT, "now": now, "passed_over": list(PASSED_OVER)}
