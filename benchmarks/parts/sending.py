"""Mails a second from the outbox to the fake SendGrid, against SendGrid's own package and django-anymail.

The mail: 20 KB of HTML, 12 personal fields, a loop of 3 to 6 product cards. Everything shares two cores: the
sending processes, PostgreSQL with fsync on, and the fake in its fast mode. The ratios compare whole ways of
sending the same mail in the same run: the peers keep no record of whom they sent it to.
"""

import json
import os
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from rapport import ledger, warehouse
from rapport.audiences.recipients import RecipientKey, ensure_recipients
from rapport.audiences.suppressions import LISTS
from rapport.campaigns.campaign import Campaign
from rapport.delivery import senders
from rapport.delivery.chunks import Worker
from rapport.delivery.configuration import Sender, read_sender
from rapport.delivery.fake_sendgrid import FakeSendGrid
from rapport.delivery.personal_data import contexts, recipients
from rapport.delivery.proof import account_of
from rapport.delivery.rendering import compile_mail
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings

PROCESSES = 2
CAMPAIGN = "summer_letter"

SENDER = """
name: Benchmark Shop
address: hello@shop.example
reply_to: care@shop.example
postal_address: 1 High Street, Bath
website: https://shop.example
unsubscribe_url: https://shop.example/u
unsubscribe_address: stop@shop.example
"""

MARTS = """
create schema if not exists marts;
create table marts.customers (
    customer_id text primary key, email text, first_name text, last_name text, city text, country text,
    time_zone text, favourite_category text, order_count bigint, net_revenue numeric,
    first_order_at timestamptz, last_order_at timestamptz, last_seen_at timestamptz, loyalty_points bigint,
    nearest_store text
);
create table marts.consents (
    email text, channel text, topic text, is_granted boolean, confirmed_at timestamptz,
    withdrawn_at timestamptz, granted_at timestamptz, expires_at timestamptz,
    primary key (email, channel, topic)
);
create table segments.offers_of (customer_id text primary key, cards jsonb);
"""

PEOPLE = """
insert into marts.customers
select
    'c' || n, 'reader' || n || '@mail' || n %% 500 || '.example', 'First' || n, 'O''Last & ' || n,
    'City' || n %% 900,
    'DE', 'Europe/Berlin', 'Category ' || n %% 30, n %% 40, n %% 1000 + 0.5, now() - interval '1 year',
    now() - interval '1 day' * (n %% 300), now(), n %% 5000, 'Store ' || n %% 70
from generate_series(1, %(people)s) as n;
insert into marts.consents (email, channel, topic, is_granted)
select email, 'email', 'news', true from marts.customers;
insert into segments.members select 'readers', customer_id, 'all' from marts.customers;
insert into segments.offers_of
select 'c' || n, cards.cards
from generate_series(1, %(people)s) as n
cross join lateral (
    select jsonb_agg(jsonb_build_object(
        'name', 'Product ' || (n * 7 + card) %% 5000, 'price', (n + card) %% 90 + 0.99,
        'slug', 'product-' || (n * 7 + card) %% 5000, 'colour', 'Colour ' || card
    )) as cards
    from generate_series(1, 3 + n %% 4) as card
) as cards;
insert into activation.suppression_pulls (list, until_time, entries, added)
select list, now(), 0, 0
from unnest(array['bounces', 'spam_reports', 'unsubscribes', 'invalid_emails']) as list;
create view segments.readers as
select customer_id, reason, cards from segments.members inner join segments.offers_of using (customer_id)
where segment = 'readers';
analyze;
"""

CARD = """
<table role="presentation" width="100%" style="border:1px solid #ddd;border-radius:8px;margin:0 0 16px 0">
<tr><td style="padding:16px"><a href="https://shop.example/p/{{ card.slug }}">
<img src="https://shop.example/images/{{ card.slug }}.jpg" alt="{{ card.name }}" width="240"></a></td>
<td style="padding:16px;font-family:Arial,Helvetica,sans-serif;font-size:16px;line-height:24px;color:#222">
<strong>{{ card.name }}</strong><br>{{ card.colour }}<br>EUR {{ card.price }}<br>
<a style="color:#0a58ca" href="https://shop.example/p/{{ card.slug }}">See it</a>
</td></tr></table>
"""

TEMPLATE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Letter</title></head>
<body style="margin:0;background:#f4f4f4"><div style="display:none">{{ preheader }}</div>
<h1>Hello {{ customer.first_name }} {{ customer.last_name }}</h1>
<p>In {{ customer.city }} ({{ customer.country }}) you have {{ customer.loyalty_points }} points after
{{ customer.order_count }} orders worth {{ customer.net_revenue }}; your store is
{{ customer.nearest_store }}, your favourites are {{ customer.favourite_category }}.
Your number: {{ customer.customer_id }}.
First order {{ customer.first_order_at | date }}, last {{ customer.last_order_at | date }},
your clock is that of {{ customer.time_zone }}.</p>
{% for card in member.cards %}CARD{% endfor %}
FILLING
<p>{{ sender.postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>
""".replace("CARD", CARD)


@dataclass
class Shop:
    """A warehouse with one planned edition, and the settings that send it."""

    url: str
    settings: Settings
    campaign: Campaign
    sender: Sender
    people: int

    def plan(self, edition: str, people: int) -> None:
        """An edition of so many people, due now, its ramp behind it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("delete from activation.send_rate")
            run = ledger.open_run(self.url, as_of=datetime.now(UTC), config="bench", is_rebuild=True)
            connection.execute(
                """
                insert into activation.editions (
                    edition_id, campaign, slot_at, due_at, run_id, state, edition_hash, specification,
                    ramp_sent_at, ramp_passed_at
                )
                values (%s, %s, now(), now(), %s, 'approved', '', %s, now(), now())
                """,
                [
                    edition,
                    CAMPAIGN,
                    run.run_id,
                    json.dumps(
                        {
                            "campaign": self.campaign.model_dump(mode="json"),
                            "sender": self.sender.model_dump(mode="json"),
                        }
                    ),
                ],
            )
            connection.execute(
                """
                insert into activation.messages (
                    message_id, edition_id, campaign, customer_id, recipient_key, state, due_at, expires_at
                )
                -- With the ids that planning gives, and in its order.
                select
                    (left(md5(%(edition)s), 12) || left(split_part(recipient_key, '_', 2), 20))::uuid,
                    %(edition)s, %(campaign)s, customer_id, recipient_key, 'planned',
                    now(), now() + interval '2 days'
                from (select * from marts.customers order by customer_id limit %(people)s) as people
                inner join activation.recipients using (email)
                order by recipient_key
                """,
                {"edition": edition, "campaign": CAMPAIGN, "people": people},
            )
            connection.execute("vacuum analyze activation.messages")

    def configure(self, fake: FakeSendGrid, render: str) -> None:
        (self.settings.config / "delivery.yml").write_text(
            f"transport: sendgrid\nper_second: 1000000\nsendgrid: {{host: '{fake.url}', render: {render}}}\n"
            "caps: {marketing: {messages: 100, per: 7d}}\n"
        )

    def send(self) -> tuple[float, float]:
        """Send what is planned with two processes: seconds, and the larger one's peak memory in MB."""
        began = time.perf_counter()
        now = datetime.now(UTC)
        started = [
            senders.start(self.url, self.settings, now, Worker(number, PROCESSES))
            for number in range(PROCESSES)
        ]
        peak = 0.0
        while any(process.poll() is None for process in started):
            peak = max(peak, *(_peak_mb(process.pid) for process in started))
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        for process in started:
            assert process.stdout is not None
            said = json.loads(process.stdout.read())
            assert "counts" in said, said
        return seconds, peak


def _peak_mb(pid: int) -> float:
    """The most memory that a process has had by now; 0 where it is gone, or the system does not tell.

    What `wait4` says of a child includes what its parent had when it started it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def measures(*, is_small: bool, anymail_python: str | None = None) -> Iterator[dict[str, object]]:
    """The measures of sending, smaller numbers where `is_small`.

    RAPPORT_BENCH_MILLION is how many mails the memory is measured with, a million unless told.

    Args:
        anymail_python: the Python of an environment that has django-anymail.
    """
    by_shape, single, alone = (50_000, 3_000, 1_000) if is_small else (200_000, 20_000, 2_000)
    million = int(os.environ.get("RAPPORT_BENCH_MILLION", 50_000 if is_small else 1_000_000))
    people = max(by_shape, million)
    with _shop(people) as shop, FakeSendGrid(fast=True) as fake:
        settings = replace(shop.settings, sendgrid_api_key=fake.key)
        shop = replace(shop, settings=settings)
        _prove(shop, fake)
        rate = _rate(shop, fake, "shape", by_shape)
        yield _measure("delivery.mails_per_second", rate, "mails/s", 5_000)
        yield _measure("delivery.single_per_second", _rate(shop, fake, "single", single), "mails/s", 1_200)
        sdk = _sdk(shop, fake, alone)
        yield _measure("delivery.vs_sdk", rate / sdk, f"x of {sdk:.0f} mails/s", 12, digits=1)
        if anymail_python is None:
            print("delivery.vs_anymail: --anymail names no Python; benchmarks/requirements.txt says how")
        else:
            anymail = _anymail(shop, fake, max(20_000, by_shape // 10), anymail_python)
            yield _measure(
                "delivery.vs_anymail", rate / anymail, f"x of {anymail:.0f} mails/s", 0.7, digits=2
            )
        shop.configure(fake, "shape")
        shop.plan("million", million)
        seconds, peak = shop.send()
        _all_accepted(shop, "million", million)
        print(f"{million:,} mails in {seconds:.0f} s, {million / seconds:,.0f} a second")
        yield {
            "measure": "delivery.peak_mb",
            "value": round(peak),
            "unit": f"MB of the larger sending process, {million:,} mails",
            "target": "<= 250",
            "ok": peak <= 250,
        }


def _rate(shop: Shop, fake: FakeSendGrid, render: str, people: int) -> float:
    shop.configure(fake, render)
    edition = f"{render} {random.random()}"
    shop.plan(edition, people)
    before = fake.tally()
    seconds, peak = shop.send()
    after = fake.tally()
    _all_accepted(shop, edition, people)
    assert after.recipients - before.recipients == people, after
    assert after.repeated == 0, after
    requests = after.requests - before.requests
    print(f"{render}: {people:,} mails, {requests:,} requests, {seconds:.1f} s, {peak:.0f} MB")
    return people / seconds


def _all_accepted(shop: Shop, edition: str, people: int) -> None:
    with psycopg.connect(shop.url) as connection:
        rows = connection.execute(
            "select state, count(*) from activation.messages where edition_id = %s group by state", [edition]
        ).fetchall()
    assert rows == [("accepted", people)], rows


def _prove(shop: Shop, fake: FakeSendGrid) -> None:
    with psycopg.connect(shop.url) as connection:
        connection.execute(
            """
            insert into activation.probes (probe_id, account, sender, mails, proven_at, valid_until)
            values (gen_random_uuid(), %s, %s, '{}', now(), now() + interval '1 day')
            """,
            [account_of(fake.key), shop.sender.address],
        )
        connection.execute(
            """
            insert into activation.suppression_pulls (list, until_time, entries, added)
            select name, now(), 0, 0 from unnest(%s::text[]) as name
            """,
            [list(LISTS)],
        )


@contextmanager
def _shop(people: int) -> Iterator[Shop]:
    with tempfile.TemporaryDirectory(prefix="rapport-benchmark-") as folder:
        home, config = Path(folder) / "home", Path(folder) / "config"
        config.mkdir(parents=True)
        (config / "sender.yml").write_text(SENDER)
        server = EmbeddedPostgres(home / "postgres").start()
        try:
            url = server.url("rapport")
            warehouse.migrate(url)
            settings = replace(Settings.from_environment({}), home=home, config=config, warehouse_url=url)
            key = RecipientKey.from_settings(settings)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(MARTS)
                for statement in PEOPLE.split(";\n")[:-1]:
                    connection.execute(statement, {"people": people})
                key.verify(connection)
                ensure_recipients(connection, key)
                connection.execute("analyze activation.recipients")
            yield Shop(url, settings, _campaign(), read_sender(settings), people)
        finally:
            server.stop()


def _campaign() -> Campaign:
    words = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy eirmod tempor. "
    filling = '<p style="font-size:16px;line-height:24px;color:#222">' + words * 4 + "</p>\n"
    return Campaign.model_validate(
        {
            "name": CAMPAIGN,
            "description": "A letter.",
            "audience": {"include": ["readers"]},
            "trigger": {"schedule": "* * * * *"},
            "topic": "news",
            "subject": "{{ customer.first_name }}, your summer letter",
            "preheader": "What is new in {{ customer.favourite_category }}",
            "template": "letter.html",
            "sources": {"letter.html": TEMPLATE.replace("FILLING", filling * 35)},
        }
    )


def _rendered(shop: Shop, count: int) -> list[tuple[str, Any]]:
    """Addresses and contexts for the peers, which get them for nothing."""
    with psycopg.connect(shop.url) as connection:
        ids = [
            row[0]
            for row in connection.execute("select message_id from activation.messages limit %s", [count])
        ]
        people = recipients(connection, ids)
        data = contexts(connection, shop.campaign, shop.sender, b"secret" * 6, people)
    return [(person.email, data[person.message_id]) for person in people]


def _sdk(shop: Shop, fake: FakeSendGrid, count: int) -> float:
    """SendGrid's package as its documents show it: one request a recipient, one after another."""
    from sendgrid import SendGridAPIClient
    from sendgrid.helpers.mail import Content, Mail

    template = compile_mail(*shop.campaign.mail())
    people = _rendered(shop, count)
    client = SendGridAPIClient(fake.key, host=fake.url)
    began = time.perf_counter()
    for email, context in people:
        rendered = template.render(context)
        mail = Mail(shop.sender.address, email, rendered.subject)
        mail.add_content(Content("text/plain", rendered.text))
        mail.add_content(Content("text/html", rendered.html))
        assert client.send(mail).status_code == 202
    print(f"sendgrid: {len(rendered.html):,} characters of HTML")
    return len(people) / (time.perf_counter() - began)


def _anymail(shop: Shop, fake: FakeSendGrid, count: int, python: str) -> float:
    """django-anymail's merge send of the same mail (`anymail_peer.py`), by the Python that has it."""
    filling = shop.campaign.sources["letter.html"]
    letter = re.sub(r"{% for card .*?{% endfor %}", "*|cards|*", filling, flags=re.DOTALL)
    letter = re.sub(r"{{ customer\.(\w+)[^}]*}}", r"*|c_\1|*", letter)
    letter = letter.replace("{{ sender.postal_address }}", shop.sender.postal_address)
    letter = letter.replace("{{ preheader }}", "What is new in *|c_favourite_category|*")
    letter = letter.replace("{{ unsubscribe_url }}", "*|unsubscribe_url|*")
    assert "{{" not in letter
    order = {
        "url": fake.url,
        "key": fake.key,
        "sender": f"{shop.sender.name} <{shop.sender.address}>",
        "subject": "*|c_first_name|*, your summer letter",
        "html": letter,
        "text": re.sub(r"<[^>]*>", "", letter),
        "card": CARD,
        "people": [
            {
                "email": email,
                "customer": context["customer"],
                "cards": context["member"]["cards"],
                "unsubscribe_url": context["unsubscribe_url"],
            }
            for email, context in _rendered(shop, count)
        ],
    }
    before = fake.tally().recipients
    ran = subprocess.run(
        [python, Path(__file__).with_name("anymail_peer.py")],
        input=json.dumps(order, default=str),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert fake.tally().recipients - before == count
    return count / float(ran.stdout)


def _measure(name: str, value: float, unit: str, target: float, *, digits: int = 0) -> dict[str, object]:
    return {
        "measure": name,
        "value": round(value, digits) if digits else round(value),
        "unit": unit,
        "target": f">= {target}",
        "ok": value >= target,
    }
