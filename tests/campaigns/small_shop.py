"""A warehouse with hand-made marts of a few customers, and a config folder to plan campaigns with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from rapport import ledger, warehouse
from rapport.campaigns.planned_editions import EditionSummary
from rapport.campaigns.planning import plan_campaigns
from rapport.ledger import Run
from rapport.settings import Settings

DAY = timedelta(days=1)
MONDAY = datetime(2026, 6, 29, 9, tzinfo=UTC)

# Who is held out follows from it: with a key made anew each time, a test of shares would fail now and then.
RECIPIENT_KEY = "0123456789abcdef0123456789abcdef"

MARTS = """
create schema if not exists marts;
create table marts.customers (
    customer_id text primary key, email text, first_name text, favourite_category text, order_count bigint,
    last_order_at timestamptz, last_name text, country text, time_zone text, last_seen_at timestamptz
);
create table marts.consents (
    email text, channel text, topic text, is_granted boolean, confirmed_at timestamptz,
    withdrawn_at timestamptz, granted_at timestamptz, expires_at timestamptz,
    primary key (email, channel, topic)
);
"""

SENDER = """
name: Small Shop
address: hello@small.example
reply_to: care@small.example
postal_address: 1 High Street, Bath
website: https://small.example
unsubscribe_url: https://small.example/u
unsubscribe_address: stop@small.example
"""

TEMPLATE = """<mjml lang="en"><mj-head><mj-preview>{{ preheader }}</mj-preview></mj-head>
<mj-body><mj-section><mj-column>
<mj-text>Hello {{ customer.first_name or 'there' }}</mj-text>
<mj-text>{{ sender.postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
</mj-column></mj-section></mj-body></mjml>
"""

WEEKLY = """
description: A weekly letter.
trigger: {schedule: "0 9 * * 1"}
audience: {include: [active], exclude: [unhappy]}
topic: news
subject: News for {{ customer.first_name or 'you' }}
preheader: What is new
template: letter.mjml
re_entry: 1d
"""

WELCOME = """
description: A welcome.
trigger: {entering: new_customers}
topic: news
subject: Welcome
preheader: Good to have you
template: letter.mjml
"""


class SmallShopSettings(Settings):
    """Settings whose segments are files of the test's own."""

    @property
    def dbt_project(self) -> Path:
        return self.home / "dbt_project"


SERVICE = """
create table marts.tickets (
    customer_id text, is_open boolean, is_first_reply_in_time boolean, opened_at timestamptz,
    csat_score numeric, rated_at timestamptz
);
create table marts.survey_responses (
    customer_id text, metric text, score numeric, responded_at timestamptz
);
"""


@dataclass
class SmallShop:
    """`url` and `settings` of a warehouse whose marts the methods fill."""

    url: str
    settings: Settings

    def execute(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with warehouse.connect(self.url) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def write(self, name: str, text: str) -> None:
        path = self.settings.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def add(
        self,
        customer_id: str,
        email: str | None = "",
        *,
        segments: Sequence[str] = ("active",),
        entered_at: datetime = MONDAY,
        topics: Sequence[str] = ("news", "offers"),
        first_name: str | None = None,
    ) -> None:
        """A customer (with an address of their own unless told), in segments, with consent for topics."""
        address = f"{customer_id}@mail.example" if email == "" else email
        self.execute(
            "insert into marts.customers values (%s, %s, %s, 'tea', 3, '2026-05-01')",
            customer_id,
            address,
            first_name,
        )
        for topic in topics if address else ():
            self.execute(
                """
                insert into marts.consents values (%s, 'email', %s, true, null, null)
                on conflict do nothing
                """,
                address,
                topic,
            )
        for segment in segments:
            self.enter(customer_id, segment, entered_at)

    def enter(self, customer_id: str, segment: str, entered_at: datetime = MONDAY) -> None:
        self.execute("insert into segments.members values (%s, %s, 'test')", segment, customer_id)
        self.execute(
            "insert into segments.memberships values (%s, %s, %s, null, 'test')",
            segment,
            customer_id,
            entered_at,
        )

    def leave(self, customer_id: str, segment: str) -> None:
        self.execute(
            "delete from segments.members where segment = %s and customer_id = %s", segment, customer_id
        )

    def merge(self, old: str, new: str, run: Run) -> None:
        """Say that `old` is the same person as `new`, as identity does."""
        for customer in (old, new):
            self.execute(
                """
                insert into identity.customers values (%s, 'email', '', %s, 1, now(), %s)
                on conflict do nothing
                """,
                customer,
                customer,
                run.run_id,
            )
        self.execute("insert into identity.merges values (%s, %s, %s)", old, new, run.run_id)
        self.execute("update segments.members set customer_id = %s where customer_id = %s", new, old)
        self.execute("delete from marts.customers where customer_id = %s", old)

    def run(self, as_of: datetime = MONDAY) -> Run:
        run = ledger.open_run(self.url, as_of=as_of, config="test", is_rebuild=True)
        return ledger.fix_batches(self.url, run.run_id, view="")

    def plan(self, as_of: datetime = MONDAY, run: Run | None = None) -> list[EditionSummary]:
        return plan_campaigns(self.url, run or self.run(as_of), self.settings)

    def messages(self) -> dict[str, tuple[str, str | None]]:
        """(state, reason) of the messages by customer; of two the later."""
        rows = self.execute(
            "select customer_id, state, state_reason from activation.messages order by due_at, message_id"
        )
        return {customer: (state, reason) for customer, state, reason in rows}

    def editions(self) -> dict[str, tuple[str, str | None]]:
        return {
            edition: (state, reason)
            for edition, state, reason in self.execute(
                "select edition_id, state, state_reason from activation.editions"
            )
        }

    def mails(self) -> dict[str, bytes]:
        """The mailbox: content by file name."""
        return {path.name: path.read_bytes() for path in (self.settings.mailbox / "new").iterdir()}


def build(url: str, settings: Settings) -> SmallShop:
    """The shop with its tables, segments, sender and one template, and no campaign and no customer yet."""
    shop = SmallShop(url, SmallShopSettings(**vars(settings)))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MARTS)
        for segment in ("active", "unhappy", "new_customers"):
            connection.execute(
                f"create view segments.{segment} as select customer_id, reason, 7 as days"
                f" from segments.members where segment = '{segment}'"
            )
        connection.execute("create table segments.carts_of (customer_id text, cart_products jsonb)")
        connection.execute(
            "create view segments.abandoned_cart as select customer_id, reason, cart_products"
            " from segments.members left join segments.carts_of using (customer_id)"
            " where segment = 'abandoned_cart'"
        )
    models = shop.settings.dbt_project / "models" / "segments"
    models.mkdir(parents=True)
    for segment in ("active", "unhappy", "new_customers", "abandoned_cart"):
        (models / f"{segment}.sql").touch()
    (shop.settings.config / "sources").mkdir(exist_ok=True)
    shop.write("sender.yml", SENDER)
    shop.write("templates/letter.mjml", TEMPLATE)
    secret = shop.settings.home / "secrets" / "recipient_key"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text(RECIPIENT_KEY)
    return shop


def cart(shop: SmallShop, customer_id: str, products: list[dict[str, Any]]) -> None:
    """Give a customer an abandoned cart."""
    shop.execute("insert into segments.carts_of values (%s, %s)", customer_id, Jsonb(products))
