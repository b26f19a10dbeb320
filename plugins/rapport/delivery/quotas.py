"""How many messages of an edition, or of a campaign on one day, have left: what their maxima count."""

import psycopg

from rapport.campaigns.campaign import Campaign

# An attempt counts with what it was claimed for, unless nothing of it left.
_SENT = """
coalesce((
    select sum(attempts.messages)
    from activation.attempts
    inner join activation.editions using (edition_id)
    where
        {of_what}
        and (attempts.outcome is null or attempts.outcome not in ('returned', 'divided', 'rejected'))
), 0)
"""
SENT_OF_EDITION = _SENT.format(of_what="attempts.edition_id = %(edition)s")
SENT_TODAY = _SENT.format(
    of_what="""
        editions.campaign = %(campaign)s
        and attempts.claimed_at >= date_trunc('day', clock_timestamp(), 'UTC')
    """
)


def sent(connection: psycopg.Connection, edition_id: str) -> int:
    """How many messages of an edition have left, or are about to."""
    row = connection.execute(f"select {SENT_OF_EDITION}", {"edition": edition_id}).fetchone()
    return int(row[0]) if row else 0


def left_today(connection: psycopg.Connection, campaign: Campaign) -> int | None:
    """How many more messages the campaign may send on this day of UTC; None: as many as there are."""
    if campaign.limits.per_day is None:
        return None
    row = connection.execute(f"select {SENT_TODAY}", {"campaign": campaign.name}).fetchone()
    return max(0, campaign.limits.per_day - (int(row[0]) if row else 0))


def lock(connection: psycopg.Connection, campaign: str) -> None:
    """Until the transaction ends, only this one counts and claims what the campaign has left."""
    connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('rapport quota ' || %s, 0))", [campaign]
    )
