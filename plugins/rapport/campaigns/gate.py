"""What stops an edition as a whole: failed tests or steps, stale sources, a template that does not render."""

import psycopg

from rapport.campaigns.campaign import Campaign
from rapport.delivery.configuration import Sender
from rapport.delivery.faults import RenderError
from rapport.delivery.personal_data import contexts, recipients
from rapport.delivery.rendering import compile_mail
from rapport.landing import freshness
from rapport.ledger import Run
from rapport.settings import Settings

SAMPLE = 200  # mails
TOLERATED = 5  # mails of the sample that may fail to render: one person's fault skips that person


def run_fault(connection: psycopg.Connection, run: Run, settings: Settings) -> str | None:
    """Why nothing of this run may be sent, or None. The first of what is wrong, by name."""
    test = connection.execute(
        "select min(test) from ops.test_results where run_id = %s and status in ('fail', 'error')",
        [run.run_id],
    ).fetchone()
    if test is not None and test[0] is not None:
        return f"failed_test: {test[0]}"
    # Planning and sending do not judge themselves: a campaign file that was wrong stops no other campaign.
    step = connection.execute(
        """
        select min(step) from (
            select distinct on (dag, step) step, state
            from ops.run_steps
            where run_id = %s and step not in ('plan_campaigns', 'send_due')
            order by dag, step, step_id desc
        ) as last_tries
        where state = 'failed'
        """,
        [run.run_id],
    ).fetchone()
    if step is not None and step[0] is not None:
        return f"failed_step: {step[0]}"
    return _stale_source(connection, run, settings)


def template_fault(
    connection: psycopg.Connection, campaign: Campaign, edition_id: str, sender: Sender, secret: bytes
) -> str | None:
    """Why the edition's template may not be sent, or None, from a sample of its planned messages."""
    rows = connection.execute(
        """
        select message_id from activation.messages
        where edition_id = %s and state = 'planned'
        order by message_id limit %s
        """,
        [edition_id, SAMPLE],
    ).fetchall()
    templates = {mail: compile_mail(*campaign.mail(*mail)) for mail in campaign.contents}
    people = recipients(connection, [row[0] for row in rows])
    faults = []
    data = contexts(connection, campaign, sender, secret, people)
    for person in people:
        try:
            templates[person.step, person.variant].render(data[person.message_id])
        except RenderError as error:
            faults.append(str(error))
    if faults and (len(faults) > TOLERATED or len(faults) == len(people)):
        return f"template_error: {len(faults)} of {len(people)} mails do not render: {faults[0]}"
    return None


def _stale_source(connection: psycopg.Connection, run: Run, settings: Settings) -> str | None:
    from rapport.sources.configuration import read_feeds

    newest = freshness.newest_records(connection, run.max_batch_id)
    assessed = freshness.assess(read_feeds(settings), newest, run.as_of)
    stale = [feed.feed for feed in assessed if feed.state is freshness.FreshnessState.ERROR]
    return f"stale_source: {stale[0]}" if stale else None
