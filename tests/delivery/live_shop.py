"""A small shop that sends today, over SendGrid, to the fake one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from campaigns.small_shop import SmallShop
from rapport import warehouse
from rapport.audiences.suppressions import LISTS
from rapport.campaigns.decisions import resume
from rapport.delivery.configuration import read_sender
from rapport.delivery.counts import SendCounts
from rapport.delivery.fake_sendgrid import FakeSendGrid
from rapport.delivery.outbox import send_due
from rapport.delivery.proof import account_of

EACH_MINUTE = """
description: A letter at any minute.
trigger: {schedule: "* * * * *"}
audience: {include: [active]}
topic: news
subject: News for {{ customer.first_name or 'you' }}
preheader: What is new
template: letter.mjml
re_entry: 1d
"""


@dataclass
class LiveShop:
    """The shop, and the fake that it sends to."""

    shop: SmallShop
    fake: FakeSendGrid

    def configure(self, render: str = "single", per_second: float = 100_000, more: str = "") -> None:
        self.shop.write(
            "delivery.yml",
            f"transport: sendgrid\nper_second: {per_second}\n"
            f"sendgrid: {{host: '{self.fake.url}', render: {render}}}\n{more}",
        )
        self.pulled()
        if render == "shape":
            self.prove()

    def pulled(self) -> None:
        """As if SendGrid's suppression lists had been taken over."""
        self.shop.execute(
            """
            insert into activation.suppression_pulls (list, until_time, entries, added)
            select list, now(), 0, 0 from unnest(%s::text[]) as list
            """,
            list(LISTS),
        )

    def prove(self, valid: timedelta = timedelta(days=90)) -> None:
        """As if a probe had proven batching for the shop's sender."""
        account, sender = account_of(self.fake.key), read_sender(self.shop.settings).address
        self.shop.execute(
            """
            insert into activation.probes (probe_id, account, sender, mails, proven_at, valid_until)
            values (gen_random_uuid(), %s, %s, '{}', now(), now() + %s)
            """,
            account,
            sender,
            valid,
        )

    def people(self, count: int, campaigns: Sequence[str] = ("weekly",)) -> None:
        """That many customers, planned for each of the campaigns, due now."""
        for name in campaigns:
            self.shop.write(f"campaigns/{name}.yml", EACH_MINUTE)
        self.shop.execute(
            """
            insert into marts.customers (customer_id, email, first_name)
            select 'c' || n, 'c' || n || '@mail.example', 'Name ' || n from generate_series(1, %s) as n
            """,
            count,
        )
        self.shop.execute(
            """
            insert into marts.consents (email, channel, topic, is_granted)
            select email, 'email', 'news', true from marts.customers
            """
        )
        self.shop.execute(
            "insert into segments.members select 'active', customer_id, 'x' from marts.customers"
        )
        self.shop.plan(datetime.now(UTC))

    def send(self) -> SendCounts:
        settings = replace(self.shop.settings, sendgrid_api_key=self.fake.key)
        return send_due(self.shop.url, settings, now=datetime.now(UTC))

    def resume(self, campaign: str | None = "weekly") -> None:
        with warehouse.connect(self.shop.url) as connection:
            assert resume(connection, campaign, by="me")

    def states(self) -> dict[str, int]:
        """How many messages there are in each state."""
        return dict(
            self.shop.execute("select state, count(*) from activation.messages group by state")  # type: ignore[arg-type]
        )

    def outcomes(self) -> list[str | None]:
        """How the attempts ended, in their order."""
        return [
            row[0] for row in self.shop.execute("select outcome from activation.attempts order by attempt_id")
        ]

    def edition(self) -> tuple[str, str | None]:
        """State and reason of the only edition."""
        ((state, reason),) = self.shop.execute("select state, state_reason from activation.editions")
        return state, reason

    def accepted(self) -> list[str]:
        """The addresses that the fake took mail for, in order."""
        return [mail.email for mail in self.fake.log()]
