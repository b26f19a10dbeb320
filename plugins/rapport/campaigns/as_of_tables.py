"""The tables that planning reads as they were at another time, as temporary views; and what that cannot know.

A dry run adds what it planned for one campaign to what the next one sees.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import psycopg
from psycopg import sql

from rapport.campaigns.edition_plan import EditionPlan
from rapport.campaigns.tables import Tables

_PLANNED_SO_FAR = """
create temp table dry_editions (
    edition_id text, campaign text, step text, slot_at timestamptz, state text, state_reason text, cap text
) on commit drop;

create temp table dry_messages (
    message_id uuid, edition_id text, campaign text, customer_id text, recipient_key text,
    entered_at timestamptz, state text, state_reason text, due_at timestamptz, claimed_at timestamptz,
    accepted_at timestamptz
) on commit drop;
"""

# Later slots, and the editions that are planned here anew, are not there yet.
_SENT_BY_THEN = """
create temp view seen_editions as
select edition_id, campaign, step, slot_at, state, state_reason, cap
from activation.editions
where slot_at < {as_of} and edition_id <> all({planned_here}::text[])
union all
select * from dry_editions;

create temp view seen_messages as
select
    messages.message_id,
    messages.edition_id,
    messages.campaign,
    messages.customer_id,
    messages.recipient_key,
    messages.entered_at,
    case when messages.claimed_at > {as_of} then 'planned' else messages.state end as state,
    messages.state_reason,
    messages.due_at,
    messages.claimed_at,
    case when messages.accepted_at <= {as_of} then messages.accepted_at end as accepted_at
from activation.messages
inner join activation.editions on messages.edition_id = editions.edition_id
where editions.slot_at < {as_of} and editions.edition_id <> all({planned_here}::text[])
union all
select * from dry_messages;

create temp view seen_arms as
select arms.* from activation.arms
inner join seen_editions on arms.edition_id = seen_editions.edition_id;

create temp view seen_recipients as
select recipient_key, email from activation.recipients
union all
select distinct on (recipient_key) recipient_key, email
from unknown_addresses
where not exists (
    select from activation.recipients where recipients.recipient_key = unknown_addresses.recipient_key
)
"""

_SEGMENTS_THEN = """
create temp view seen_memberships as
select segment, customer_id, entered_at, case when left_at <= {as_of} then left_at end as left_at
from segments.memberships
where entered_at <= {as_of};

create temp view seen_members as
select segment, customer_id from seen_memberships where left_at is null;

create temp view seen_suppressions as
select * from activation.suppressions where suppressed_at <= {as_of}
"""

# What marts.consents would have said; its rules are told there.
_CONSENTS_THEN = """
create temp table seen_consents on commit drop as
with decisions as (
    select * from intermediate.int_consent_decisions
    where email is not null and channel = 'email' and decided_at <= {as_of}
),

topics as (select distinct email, channel, topic from decisions),

grants as (
    select distinct on (email, topic) email, topic, decided_at as granted_at, expires_at
    from decisions
    where decision = 'granted'
    order by email, topic, decided_at desc, confirmed_at desc nulls last
),

confirmations as (
    select email, topic, max(confirmed_at) as confirmed_at
    from decisions
    where decision = 'granted' and confirmed_at <= {as_of}
    group by email, topic
),

withdrawals as (
    select topics.email, topics.topic, max(decisions.decided_at) as withdrawn_at
    from topics
    inner join decisions on topics.email = decisions.email and decisions.topic in (topics.topic, 'all')
    where decisions.decision = 'withdrawn'
    group by topics.email, topics.topic
)

select
    topics.email,
    topics.channel,
    topics.topic,
    grants.granted_at is not null
    and (withdrawals.withdrawn_at is null or confirmations.confirmed_at > withdrawals.withdrawn_at) is true
        as is_granted,
    grants.granted_at,
    confirmations.confirmed_at,
    grants.expires_at
from topics
left join grants using (email, topic)
left join confirmations using (email, topic)
left join withdrawals using (email, topic)
"""

_LAST_ORDER_THEN = sql.SQL(
    """
    (
        select max(orders.ordered_at) from marts.orders
        where orders.customer_id = customers.customer_id and orders.ordered_at <= {as_of}
    ) as last_order_at
    """
)


def as_of_tables(
    connection: psycopg.Connection,
    as_of: datetime,
    view_as_of: datetime,
    columns: Mapping[str, str],
    planned_here: Sequence[str],
) -> tuple[Tables, list[str]]:
    """Make the views, which last as long as the transaction; their names, and what they cannot know.

    The table `unknown_addresses` (`audiences.recipients.key_unknown_addresses`) must be there.

    Args:
        view_as_of: when the customer view was taken.
        columns: of `conditions.customer_columns`.
        planned_here: editions that are planned as if they were not there.
    """
    named = {"as_of": sql.Literal(as_of), "planned_here": sql.Literal(list(planned_here))}
    connection.execute(_PLANNED_SO_FAR)
    connection.execute(sql.SQL(_SENT_BY_THEN).format(**named))
    sent = {name: ("pg_temp", f"seen_{name}") for name in ("editions", "messages", "arms", "recipients")}
    unknown = ["whether the mails render and the data tests pass is seen when they are planned for real"]
    view = f"{view_as_of:%Y-%m-%d %H:%M} UTC"
    if as_of >= view_as_of:
        if as_of > view_as_of:
            unknown.append(
                f"customers, segments and consents are those of {view}; what comes after is not in it"
            )
        return Tables(**sent), unknown
    connection.execute(sql.SQL(_SEGMENTS_THEN).format(**named))
    then = {name: ("pg_temp", f"seen_{name}") for name in ("members", "memberships", "suppressions")}
    unknown += [
        f"customer columns, addresses and time zones are those of {view}; they are not kept from then",
        "who was merged since counts as one person; who was in which segment is what runs recorded then",
        "a mail that was planned by then and cancelled since is taken as never planned",
    ]
    if _is_there(connection, "intermediate.int_consent_decisions"):
        connection.execute(sql.SQL(_CONSENTS_THEN).format(**named))
        connection.execute("analyze seen_consents")
        then["consents"] = ("pg_temp", "seen_consents")
    else:
        unknown.append(f"consents are those of {view}")
    if "last_order_at" in columns and _is_there(connection, "marts.orders"):
        _view_customers(connection, columns, named)
        then["customers"] = ("pg_temp", "seen_customers")
    return Tables(**sent, **then), unknown


def remember(connection: psycopg.Connection, edition: EditionPlan) -> None:
    """Let what comes after see what `plan` holds."""
    campaign = edition.campaign
    connection.execute(
        "insert into dry_editions values (%s, %s, %s, %s, 'approved', null, %s)",
        [edition.edition_id, campaign.name, edition.mailing.step, edition.slot_at, campaign.cap],
    )
    connection.execute(
        """
        insert into dry_messages
        select
            message_id, %(edition)s, %(campaign)s, customer_id, recipient_key, entered_at, state,
            state_reason, due_at, null, null
        from plan
        """,
        {"edition": edition.edition_id, "campaign": campaign.name},
    )


def _view_customers(
    connection: psycopg.Connection, columns: Mapping[str, str], named: Mapping[str, sql.Composable]
) -> None:
    selected = [
        _LAST_ORDER_THEN.format(**named) if column == "last_order_at" else sql.Identifier("customers", column)
        for column in columns
    ]
    connection.execute(
        sql.SQL("create temp view seen_customers as select {} from marts.customers").format(
            sql.SQL(", ").join(selected)
        )
    )


def _is_there(connection: psycopg.Connection, relation: str) -> bool:
    row = connection.execute("select to_regclass(%s) is not null", [relation]).fetchone()
    return row is not None and bool(row[0])
