"""A shop of a few people with every table that the segment builder asks, made by hand and without dbt."""

from datetime import UTC, datetime, timedelta

import psycopg

from rapport import ledger
from rapport.ledger import Run

AS_OF = datetime(2026, 7, 1, 6, tzinfo=UTC)

TABLES = """
create table marts.customers (
    customer_id text primary key, email text, phone text, first_name text, last_name text, country text,
    city text, net_revenue numeric, reporting_currency text, has_unconverted_revenue boolean,
    order_count bigint, last_order_at timestamptz, email_topics jsonb,
    lifecycle_stage text, recency_score integer, frequency_score integer, monetary_score integer,
    nps_group text, last_channel text
);
create table marts.customer_revenue (
    customer_id text, currency text, gross_amount numeric, net_amount numeric
);
create table marts.orders (customer_id text, order_key text, ordered_at timestamptz);
create table marts.order_lines (
    customer_id text, order_key text, source text, product_id text, category text, quantity numeric,
    ordered_at timestamptz
);
create table marts.returns (customer_id text, returned_at timestamptz, is_counted boolean);
create table marts.sessions (customer_id text, started_at timestamptz, has_cart boolean, channel text);
create table marts.tickets (customer_id text, opened_at timestamptz, category text);
create table marts.survey_responses (customer_id text, responded_at timestamptz, metric text);
create table marts.customer_timeline (customer_id text, kind text, detail text, happened_at timestamptz);
create table marts.products (
    product_key text, product_id text, product_name text, category text, customer_count bigint
);
create table marts.consents (topic text);
"""

# (customer, columns): what is hostile in SQL, in Jinja and in a form stands among the data.
HOSTILE = "{{ env_var('X') }}"
DROP = "'; drop table marts.customers; --"
PEOPLE: dict[str, tuple[object, ...]] = {
    "c_0a": ("ann@home.example", None, "Ann", "Lee", "DE", "Köln", 120.50, True, 3, 2, '["news", "offers"]'),
    "c_3b": (None, "+491", "Bo", None, "AT", HOSTILE, 0, False, 0, None, "[]"),
    "c_6c": ("cy@home.example", None, None, None, None, DROP, None, None, 1, 400, '["news"]'),
    "c_9d": ("di@home.example", None, "Di", "Roy", HOSTILE, "50%_off\\", -5, False, 2, 30, '["{{ 1 }}"]'),
    "c_ce": (None, None, None, None, DROP, None, 99.999, False, 1, 7, "[]"),
    "c_ff": ("f@home.example", None, "Fé", "Ångström", "DE", "köln", 1000, True, 12, 0, '["news"]'),
}


def make(url: str) -> None:
    """Tables and rows. Behaviour lies at whole days before AS_OF, and at the very edge of windows."""
    with psycopg.connect(url) as connection:
        connection.execute(TABLES)  # type: ignore[arg-type]
        for customer, row in PEOPLE.items():
            *columns, orders, days, topics = row
            connection.execute(
                """
                insert into marts.customers values (
                    %s, %s, %s, %s, %s, %s, %s, %s, 'EUR', %s, %s, %s, %s
                )
                """,
                [customer, *columns, orders, before(days) if isinstance(days, int) else None, topics],
            )
        happened = [(list(PEOPLE)[number % 5], number * number) for number in range(24)] + [(None, 3)]
        for number, (customer_id, days) in enumerate(happened):
            at = before(days)
            key = f"shop:{number}"
            category = ["Tea", HOSTILE, "Pots"][number % 3]
            for table, row in {
                "orders": (customer_id, key, at),
                "order_lines": (customer_id, key, "shop", f"P{number % 2}", category, 1 - number % 4, at),
                "returns": (customer_id, at, number % 2 == 0),
                "sessions": (customer_id, at, number % 3 == 0, ["email", DROP][number % 2]),
                "tickets": (customer_id, at if number % 7 else None, category),
                "survey_responses": (customer_id, at, ["nps", "csat", "ces"][number % 3]),
                "customer_timeline": (
                    customer_id, "email" if number % 5 else "visit",
                    ["sent", "clicked", "opened"][number % 3], at,
                ),
                "customer_revenue": (customer_id, ["GBP", "USD"][number % 2], number, number - 3),
            }.items():  # fmt: skip
                if table != "customer_revenue" or number < 7:
                    connection.execute(
                        f"insert into marts.{table} values ({', '.join(['%s'] * len(row))})",  # type: ignore[arg-type]
                        row,
                    )
        connection.execute("insert into marts.consents values ('news'), ('offers')")
        connection.execute("insert into marts.products values ('shop:P0', 'P0', 'Pot', 'Pots', 2)")
        connection.execute("analyze")


def before(days: int) -> datetime:
    return AS_OF - timedelta(days=days)


def run(url: str) -> Run:
    """A run as of AS_OF whose customer view is built."""
    opened = ledger.open_run(url, as_of=AS_OF, config="", is_rebuild=True)
    return ledger.fix_batches(url, opened.run_id, view="")
