"""Segments as pages show them: a few customers, a segment with names that attack, three runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from audiences.hand_made_segments import Shop
from chosen_postgres import a_warehouse
from rapport import roles
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings

CUSTOMERS = """
create table marts.customers (
    customer_id text primary key, email text, phone text, first_name text, last_name text, country text,
    language text, time_zone text, company_name text, lifecycle_stage text, order_count bigint,
    net_revenue numeric, reporting_currency text, first_order_at timestamptz, last_order_at timestamptz,
    recency_score integer, frequency_score integer, monetary_score integer, nps_group text,
    last_channel text, email_topics jsonb
);
insert into marts.customers
select
    'c_' || lpad(to_hex(number), 20, '0'), 'person' || number || '@inbox.example', '+49151' || number,
    (array['Anna', 'Ben', '=cmd|''/c calc''!A0', '100%'])[1 + number % 4], 'Müller ' || number,
    case when number % 3 > 0 then 'DE' end, 'de', 'Europe/Berlin', null, 'active', number, -1.5 * number,
    'EUR', '2026-01-01 12:00+00', '2026-01-02 12:30:15.25+00', 5, 4, 3, null, 'email', '["news"]'
from generate_series(1, 120) as numbers (number);
create view reporting.customers as
select customer_id, country, lifecycle_stage, order_count, net_revenue, reporting_currency, last_order_at
from marts.customers;
"""

VIEW = """
select
    customer_id, '+' || order_count || ' orders' as reason, order_count as points, '@tab' || E'\\t' as note,
    net_revenue / 7 as odds, true as is_good, date '2026-02-03' as since_day, 1.5::float8 as factor,
    jsonb_build_array(jsonb_build_object('name', 'Cup "big"')) as items, null::text as nothing,
    ''::text as blank
from marts.customers where order_count {}
"""


def id_of(number: int) -> str:
    return f"c_{number:020x}"


@contextmanager
def shown_segments(postgres: EmbeddedPostgres, template: str, home: Path) -> Iterator[Settings]:
    """Settings on a warehouse with `make_segments`."""
    with a_warehouse(postgres, template) as url:
        make_segments(url)
        yield Settings(home, home, url, None, None)


def make_segments(url: str) -> None:
    """`loyal` with 60, then 110, then 100 members of 120 customers, and `nobody`, which is empty."""
    with psycopg.connect(url) as connection:
        roles.ensure(connection)
        connection.execute(CUSTOMERS)
    shop = Shop(url)
    shop.segment("nobody")
    for day, condition in ((1, "<= 60"), (2, "<= 110"), (9, "between 11 and 110")):
        shop.view("loyal", VIEW.format(condition))
        shop.run(day, "loyal", "nobody")
    with psycopg.connect(url) as connection:
        connection.execute("comment on view segments.loyal is 'People who come back (loyal_min_orders).'")
