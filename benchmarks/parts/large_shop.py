"""A warehouse of a million customers and twenty million messages: a generated shop, copied many times.

Each copy has ids, addresses and identifiers of its own, and the same names, dates and amounts. All have
twenty messages; what customers did is copied for a part of them only.
"""

from dataclasses import dataclass

import psycopg


@dataclass(frozen=True)
class Copied:
    """A table of which each copy gets rows of its own, told apart by the columns named here."""

    name: str
    own: tuple[str, ...]
    is_dense: bool = True


CUSTOMER = ("customer_id",)
TABLES = (
    Copied("identity.customers", (*CUSTOMER, "value")),
    Copied("identity.identifiers", (*CUSTOMER, "value")),
    Copied("identity.email_forms", ("email", "normal_form")),
    Copied("marts.customers", (*CUSTOMER, "email")),
    Copied("marts.customer_revenue", CUSTOMER),
    Copied("marts.consents", ("email",)),
    Copied("segments.members", CUSTOMER),
    Copied("segments.memberships", CUSTOMER),
    Copied("activation.recipients", ("recipient_key", "email")),
    Copied("activation.suppressions", ("recipient_key",)),
    Copied("activation.messages", (*CUSTOMER, "recipient_key", "message_id", "voucher")),
    Copied("activation.message_events", ("message_id",)),
    Copied("intermediate.int_judged_events", ("message_id",)),
    Copied("intermediate.int_customer_addresses", (*CUSTOMER, "email"), is_dense=False),
    Copied("intermediate.int_customer_profile", CUSTOMER, is_dense=False),
    Copied(
        "intermediate.int_identity_observations",
        ("observation_id", "record_id", "customer_number", "email", "anonymous_id", "contact_id"),
        is_dense=False,
    ),
    Copied("intermediate.int_tickets_enriched", (*CUSTOMER, "ticket_id"), is_dense=False),
    Copied("intermediate.int_survey_responses_identified", (*CUSTOMER, "response_id"), is_dense=False),
    Copied("intermediate.int_answers", (*CUSTOMER, "record_id"), is_dense=False),
    Copied("intermediate.int_ticket_open_periods", ("ticket_id",), is_dense=False),
    Copied("intermediate.int_ticket_days", ("ticket_id",), is_dense=False),
    Copied("intermediate.int_customer_months", CUSTOMER, is_dense=False),
    Copied("marts.orders", (*CUSTOMER, "order_id", "order_key"), is_dense=False),
    Copied("marts.sessions", (*CUSTOMER, "session_id", "anonymous_id"), is_dense=False),
    Copied("marts.customer_timeline", (*CUSTOMER, "touch_id", "record_id"), is_dense=False),
)


def enlarge(url: str, customers: int, messages: int, busy_share: float) -> None:
    """Copy the shop until it has so many customers and messages; `busy_share` of them with all they did."""
    with psycopg.connect(url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("set maintenance_work_mem = '1GB'")
        connection.execute("set synchronous_commit = off")
        copies = -(-customers // _count(connection, "marts.customers"))
        _repeat_editions(connection, messages // copies)
        for table in TABLES:
            _copy(connection, table, copies if table.is_dense else round(copies * busy_share))
            connection.commit()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def deliver_mails(url: str) -> None:
    """Let what was sent be delivered, and one mail in ten be clicked."""
    with psycopg.connect(url) as connection:
        connection.execute(
            """
            insert into activation.message_events (message_id, event, occurred_at, detail)
            select message_id, event, due_at + delay, link
            from activation.messages
            cross join (values
                ('delivered', interval '1 minute', null), ('clicked', '1 hour', 'https://shop.example/new')
            ) as happened (event, delay, link)
            where state = 'accepted' and (event = 'delivered' or hashtext(message_id::text) % 10 = 0)
            on conflict do nothing
            """
        )
        connection.execute(
            """
            update activation.messages set delivery = 'delivered', delivery_at = due_at + interval '1 minute'
            where state = 'accepted' and delivery is null
            """
        )


def _repeat_editions(connection: psycopg.Connection, messages: int) -> None:
    """Let the same editions have been sent in earlier months, too, until one copy has so many messages."""
    times = -(-messages // _count(connection, "activation.messages"))
    earlier = "d - make_interval(days => 30 * copy)"
    for table, shifted in (
        ("activation.editions", ("slot_at", "due_at", "planned_at")),
        ("activation.edition_counts", ()),
        ("activation.messages", ("due_at", "claimed_at", "accepted_at", "delivery_at")),
        ("marts.campaign_performance", ()),
    ):
        values = {name: earlier.replace("d", name, 1) for name in shifted}
        values["edition_id"] = "edition_id || '~' || copy"
        values["message_id"] = "md5(message_id::text || ' earlier ' || copy)::uuid"
        _insert_copies(connection, table, values, times - 1)


def _copy(connection: psycopg.Connection, table: Copied, copies: int) -> None:
    """Insert the copies without the table's indexes, then make those again: much the faster way."""
    types = _columns(connection, table.name)
    values = {
        column: f"md5({column}::text || '~' || copy)::uuid"
        if types[column] == "uuid"
        else f"'c' || copy || '.' || {column}"
        for column in table.own
    }
    keys = connection.execute(
        """
        select conname, pg_get_constraintdef(oid) from pg_constraint
        where conrelid = %s::regclass and contype in ('p', 'u')
        """,
        [table.name],
    ).fetchall()
    for key, _ in keys:
        _run(connection, f'alter table {table.name} drop constraint "{key}" cascade')
    indexes = connection.execute(
        """
        select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
        where indrelid = %s::regclass
        """,
        [table.name],
    ).fetchall()
    for index, _ in indexes:
        _run(connection, f"drop index {index}")
    _insert_copies(connection, table.name, values, copies - 1)
    for key, definition in keys:
        _run(connection, f'alter table {table.name} add constraint "{key}" {definition}')
    for _, definition in indexes:
        _run(connection, definition)


def _insert_copies(connection: psycopg.Connection, table: str, values: dict[str, str], copies: int) -> None:
    columns = list(_columns(connection, table))
    chosen = ", ".join(values.get(column, f'"{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    _run(
        connection,
        f"insert into {table} ({names}) select {chosen} from {table}, generate_series(1, {copies}) as copy",
    )


def _columns(connection: psycopg.Connection, table: str) -> dict[str, str]:
    """The columns that a row is given, with their types."""
    return dict(
        connection.execute(
            """
            select attname, format_type(atttypid, null) from pg_attribute
            where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''
            order by attnum
            """,
            [table],
        ).fetchall()
    )


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def _run(connection: psycopg.Connection, statement: str) -> None:
    """Statements are made of names in this file and in the catalogue, never of anybody's input."""
    connection.execute(statement.encode())
