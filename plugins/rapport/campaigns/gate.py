"""What stops an edition as a whole: failed tests or steps, stale sources, its size, its mails, the way out.

What is one person's fault skips that person.
"""

from collections.abc import Sequence
from uuid import UUID

import psycopg
from psycopg import sql

from rapport.campaigns.bare_fields import bare_fields, used_fields
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.edition_plan import EditionPlan
from rapport.campaigns.links import link_fault
from rapport.delivery.configuration import Delivery, Sender
from rapport.delivery.faults import RenderError
from rapport.delivery.personal_data import contexts, recipients
from rapport.delivery.rendering import compile_mail
from rapport.landing import freshness
from rapport.ledger import Run
from rapport.settings import Settings

SAMPLE = 2_000  # mails
EXTREMES = 100  # of these, for each variant and each way of being unusual
TOLERATED = 5  # mails that may fail; beyond both this and one in a thousand the edition is held

DRIFT_FROM = 200  # people; a smaller audience may change as it likes
DRIFT_AFTER = 4  # editions
DRIFT = 0.5

SILENCE = "30 minutes"


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


def size_fault(connection: psycopg.Connection, edition: EditionPlan) -> str | None:
    """Why an edition of this size may not be sent, or None: over its hard maximum, or unlike those before."""
    row = connection.execute(
        """
        select
            count(*) filter (where state = 'planned'),
            count(*) filter (where state = 'planned' or state_reason = 'holdout')
        from plan
        """
    ).fetchone()
    planned, audience = row if row else (0, 0)
    limit = edition.campaign.limits.per_edition
    if limit is not None and planned > limit:
        return f"limit: {planned} mails, and {limit} is the maximum of an edition"
    before = [
        row[0]
        for row in connection.execute(
            """
            select (plan ->> 'planned')::int + (plan ->> 'holdout')::int
            from activation.editions
            where
                campaign = %s and step is not distinct from %s and edition_id <> %s and slot_at <= %s
                and state in ('approved', 'sending', 'paused', 'done') and plan is not null
            order by slot_at desc, planned_at desc
            limit %s
            """,
            [edition.campaign.name, edition.mailing.step, edition.edition_id, edition.slot_at, DRIFT_AFTER],
        )
    ]
    if len(before) < DRIFT_AFTER:
        return None
    usual = sum(before) / len(before)
    if min(audience, usual) > DRIFT_FROM and abs(audience - usual) > DRIFT * usual:
        return f"drift: {audience} people, and the last {DRIFT_AFTER} editions had {usual:.0f} on average"
    return None


def mail_fault(
    connection: psycopg.Connection, edition: EditionPlan, sender: Sender, secret: bytes
) -> str | None:
    """Why the edition's mails may not be sent, or None; those of single people that cannot be are skipped."""
    return _empty_field(connection, edition) or _broken_mails(connection, edition, sender, secret)


def transport_fault(connection: psycopg.Connection, delivery: Delivery) -> str | None:
    """Why nothing may leave now, or None: mails were accepted a while ago, and no event has come back."""
    if delivery.transport != "sendgrid":
        return None
    row = connection.execute(
        f"""
        with last as (
            select max(ended_at) as ended_at from activation.attempts
            where
                transport = 'sendgrid' and outcome = 'accepted'
                and ended_at between now() - interval '7 days' and now() - interval '{SILENCE}'
        )

        select
            ended_at is not null
            and not exists (select from activation.message_events where recorded_at >= last.ended_at)
            and not exists (select from activation.webhook_bodies where received_at >= last.ended_at)
        from last
        """
    ).fetchone()
    if row is not None and row[0]:
        return (
            f"silent_webhook: SendGrid accepted mails more than {SILENCE} ago and no event has come back; "
            "look at `rapport serve` and the webhook's address in SendGrid"
        )
    return None


def _empty_field(connection: psycopg.Connection, edition: EditionPlan) -> str | None:
    """Count, for each field that everybody's mail writes without a fallback, who has none."""
    campaign, step = edition.campaign, edition.mailing.step or ""
    for mail_step, variant in campaign.contents:
        if mail_step != step:
            continue
        for record, column in sorted(bare_fields(*campaign.mail(mail_step, variant))):
            relation = _relation(campaign, record)
            if relation is None:
                continue
            lacking = connection.execute(
                sql.SQL(
                    """
                    select plan.message_id from plan
                    inner join {} as records using (customer_id)
                    where plan.state = 'planned' and coalesce(plan.variant, '') = %s and records.{} is null
                    """
                ).format(relation, sql.Identifier(column)),
                [variant],
            ).fetchall()
            mails = _planned(connection, variant)
            if _is_too_many(len(lacking), mails):
                return (
                    f"template_error: {record}.{column} is empty for {len(lacking)} of {mails} "
                    f"and has no fallback; write one, like {{{{ {record}.{column} or 'there' }}}}"
                )
            _skip(connection, [row[0] for row in lacking])
    return None


def _relation(campaign: Campaign, record: str) -> sql.Composable | None:
    if record == "customer":
        return sql.Identifier("marts", "customers")
    segments = campaign.member_segments
    return sql.Identifier("segments", segments[0]) if len(segments) == 1 else None


def _broken_mails(
    connection: psycopg.Connection, edition: EditionPlan, sender: Sender, secret: bytes
) -> str | None:
    campaign = edition.campaign
    templates = {mail: compile_mail(*campaign.mail(*mail)) for mail in campaign.contents}
    people = recipients(connection, _sample(connection, edition))
    data = contexts(connection, campaign, sender, secret, people)
    faults, broken, seen = [], [], set[str]()
    for person in people:
        try:
            rendered = templates[person.step, person.variant].render(data[person.message_id])
        except RenderError as error:
            faults.append(f"do not render: {error}")
        else:
            fault = link_fault(rendered.html, seen)
            if fault is None:
                continue
            faults.append(f"have a link that leads nowhere: {fault}")
        broken.append(person.message_id)
    if faults and (len(faults) > TOLERATED or len(faults) == len(people)):
        return f"template_error: {len(faults)} of {len(people)} mails {faults[0]}"
    _skip(connection, broken)
    return None


def _sample(connection: psycopg.Connection, edition: EditionPlan) -> list[UUID]:
    """Up to SAMPLE planned messages: of each variant the longest names and the emptiest records, then any."""
    campaign = edition.campaign
    used = {field for mail in campaign.contents for field in used_fields(*campaign.mail(*mail))}
    columns = [column for column in edition.columns if ("customer", column) in used]
    names: list[sql.Composable] = [sql.Identifier("customers", column) for column in columns]
    names = names or [sql.SQL("null::text")]
    rows = connection.execute(
        sql.SQL(
            """
            with mails as materialized (
                select
                    plan.message_id,
                    plan.variant,
                    length(concat({names})) as length,
                    num_nulls({names}) as nulls
                from plan
                inner join {customers} as customers using (customer_id)
                where plan.state = 'planned'
            ),

            unusual as (
                select picked.message_id
                from (select distinct variant from mails) as variants
                cross join lateral (
                    (
                        select message_id from mails
                        where mails.variant is not distinct from variants.variant
                        order by length desc, message_id
                        limit %(extremes)s
                    )
                    union
                    (
                        select message_id from mails
                        where mails.variant is not distinct from variants.variant
                        order by nulls desc, message_id
                        limit %(extremes)s
                    )
                ) as picked
            )

            -- Of each edition others: in the order of the ids it would always be the same people.
            select mails.message_id
            from mails
            left join unusual using (message_id)
            order by unusual.message_id is null, hashtext(mails.message_id::text), mails.message_id
            limit %(sample)s
            """
        ).format(names=sql.SQL(", ").join(names), **edition.tables.named()),
        {"extremes": EXTREMES, "sample": SAMPLE},
    ).fetchall()
    return [row[0] for row in rows]


def _planned(connection: psycopg.Connection, variant: str) -> int:
    row = connection.execute(
        "select count(*) from plan where state = 'planned' and coalesce(variant, '') = %s", [variant]
    ).fetchone()
    return int(row[0]) if row else 0


def _is_too_many(faults: int, mails: int) -> bool:
    return faults > 0 and (faults == mails or (faults > TOLERATED and faults * 1000 > mails))


def _skip(connection: psycopg.Connection, messages: Sequence[UUID]) -> None:
    if not messages:
        return
    for table in ("plan", "activation.messages"):
        connection.execute(
            f"""
            update {table} set state = 'skipped', state_reason = 'render_error'
            where message_id = any(%s) and state = 'planned'
            """,
            [list(messages)],
        )


def _stale_source(connection: psycopg.Connection, run: Run, settings: Settings) -> str | None:
    from rapport.sources.configuration import read_feeds

    newest = freshness.newest_records(connection, run.max_batch_id)
    assessed = freshness.assess(read_feeds(settings), newest, run.as_of)
    stale = [feed.feed for feed in assessed if feed.state is freshness.FreshnessState.ERROR]
    return f"stale_source: {stale[0]}" if stale else None
