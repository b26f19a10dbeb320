"""Planning an edition of a million candidates, with consent, suppression, caps and a holdout.

The warehouse has a past: another campaign's messages of this week and of last year, withdrawals, people who
share an address or hold consent at another one than their first.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from rapport import ledger, warehouse
from rapport.audiences.recipients import RecipientKey, ensure_recipients
from rapport.campaigns.planning import plan_campaigns
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings

SIZE = 1_000_000
TARGET_SECONDS = 45
MONDAY = datetime(2026, 6, 29, 9, tzinfo=UTC)

MARTS = """
create table marts.customers (
    customer_id text primary key, email text, first_name text, last_name text, time_zone text, country text,
    order_count bigint, last_order_at timestamptz, last_seen_at timestamptz
);
create table marts.consents (
    email text, channel text, topic text, is_granted boolean, granted_at timestamptz,
    confirmed_at timestamptz, expires_at timestamptz, withdrawn_at timestamptz,
    primary key (email, channel, topic)
);
create view segments.active as
select customer_id, reason from segments.members where segment = 'active';
"""

# Of a hundred people one has no address of their own, two share one with their neighbour, five have consent
# at another address only, ten have none.
PEOPLE = """
insert into marts.customers
select
    'c_' || left(md5('c' || person), 20),
    case person %% 100
        when 0 then null when 1 then 'person' || person - 1 || '@mail.example'
        else 'person' || person || '@mail.example'
    end,
    'First' || person %% 5000, 'Last' || person %% 20000,
    (array['Europe/Berlin', 'America/New_York', 'Asia/Tokyo', 'Australia/Sydney', null])[1 + person %% 5],
    'DE', person %% 9, timestamptz '2026-06-01' - person %% 700 * interval '1 day', '2026-06-01'
from generate_series(1, %(people)s::bigint) as person;

insert into marts.consents
select
    case when person %% 100 between 10 and 14 then 'other' else 'person' end || person || '@mail.example',
    'email', topic, person %% 100 not between 20 and 29, '2025-01-01', '2025-01-02', null, null
from generate_series(1, %(people)s::bigint) as person
cross join unnest(array['news', 'offers']) as topic;

insert into identity.customers
select customer_id, 'email', '', customer_id, 1, '2025-01-01', 1 from marts.customers;

insert into identity.identifiers (
    kind, source, value, customer_id, first_batch_id, first_seen_at, last_seen_at, batch_first_seen_at
)
select
    'email', '', prefix || person || '@mail.example', 'c_' || left(md5('c' || person), 20), 1, '2025-01-01',
    timestamptz '2025-01-01' + place * interval '1 day', '2025-01-01'
from generate_series(1, %(people)s::bigint) as person
cross join unnest(array['person', 'other']) with ordinality as emails (prefix, place)
where place = 1 or person %% 100 between 10 and 14;

insert into segments.members select 'active', customer_id, 'a reason as long as one' from marts.customers;
"""

# A mail a week ago to a third, one a year ago to everybody; every fiftieth has opted out.
PAST = """
insert into activation.suppressions
select recipient_key, 'news', 'unsubscribed', '2026-03-01'
from activation.recipients
where recipient_key < '~' and abs(hashtext(recipient_key)) %% 50 = 0;

insert into activation.editions (
    edition_id, campaign, slot_at, due_at, run_id, state, edition_hash, specification
)
select
    'other/' || slot_at, 'other', slot_at, slot_at, %(run)s, 'done', 'h',
    '{"campaign": {"cap": "marketing", "name": "other"}}'
from unnest(array[timestamptz '2026-06-27 09:00+00', '2025-06-27 09:00+00']) as slot_at;

insert into activation.messages (
    message_id, edition_id, campaign, customer_id, recipient_key, state, due_at, expires_at, accepted_at
)
select
    md5(slot_at || recipient_key)::uuid, 'other/' || slot_at, 'other', 'x' || recipient_key, recipient_key,
    'accepted', slot_at, slot_at, slot_at
from activation.recipients
cross join unnest(array[timestamptz '2026-06-27 09:00+00', '2025-06-27 09:00+00']) as slot_at
where slot_at < '2026-01-01' or abs(hashtext(recipient_key)) %% 3 = 0;

analyze;
"""

CONFIG = {
    "campaigns/weekly.yml": """
description: A letter to all.
trigger: {schedule: "0 9 * * 1"}
audience: {include: [active], where: {order_count: {at_least: 0}}}
topic: news
subject: "News for {{ customer.first_name or 'you' }}"
preheader: What is new
template: letter.mjml
holdout: 0.1
variants: {a: {}, b: {}}
window: {opens: "09:00", closes: "19:00", fallback_time_zone: Europe/Berlin}
""",
    "templates/letter.mjml": """<mjml lang="en"><mj-head><mj-preview>{{ preheader }}</mj-preview></mj-head>
<mj-body><mj-section><mj-column><mj-text>Hello {{ customer.first_name or 'there' }}</mj-text>
<mj-text>{{ sender.postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
</mj-column></mj-section></mj-body></mjml>
""",
    "sender.yml": """
name: Shop
address: hello@shop.example
reply_to: care@shop.example
postal_address: 1 High Street, Bath
website: https://shop.example
unsubscribe_url: https://shop.example/u
unsubscribe_address: stop@shop.example
""",
    "delivery.yml": "caps: {marketing: {messages: 1, per: 7d}}\nglobal_holdout: 0.02\n",
}


class _Settings(Settings):
    @property
    def dbt_project(self) -> Path:
        return self.home / "dbt_project"


def measures(size: int | None = None) -> Iterator[dict[str, object]]:
    """How long planning takes, for a million candidates."""
    people = size or int(os.environ.get("RAPPORT_BENCH_PEOPLE", SIZE))
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", Settings.from_environment().postgres_bin).start()
        try:
            seconds = _plan(server.url("rapport"), Path(folder), people)
        finally:
            server.stop()
    per_million = round(seconds * SIZE / people, 1)
    yield {
        "measure": "planning.seconds_per_million",
        "value": per_million,
        "unit": f"s per million candidates, measured with {people:,}",
        "target": TARGET_SECONDS,
        "ok": per_million <= TARGET_SECONDS,
    }


def _plan(url: str, folder: Path, people: int) -> float:
    settings = _settings(folder, url)
    warehouse.migrate(url)
    run = ledger.open_run(url, as_of=MONDAY, config="bench", is_rebuild=True)
    run = ledger.fix_batches(url, run.run_id, view="")
    values = {"people": people, "run": run.run_id}
    key = RecipientKey.from_settings(settings)
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(MARTS)
        connection.execute(PEOPLE, values)
        connection.execute("analyze")
        key.verify(connection)
        ensure_recipients(connection, key)
        connection.execute(PAST, values)
        connection.execute("vacuum")
    started = time.perf_counter()
    (edition,) = plan_campaigns(url, run, settings)
    seconds = time.perf_counter() - started
    considered = edition.planned + sum(edition.skipped.values())
    assert edition.state == "approved", edition.state_reason
    assert considered == people, edition
    return seconds


def _settings(folder: Path, url: str) -> Settings:
    config = folder / "config"
    for name, text in CONFIG.items():
        path = config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (config / "sources").mkdir()
    segments = folder / "home" / "dbt_project" / "models" / "segments"
    segments.mkdir(parents=True)
    (segments / "active.sql").touch()
    return _Settings(folder / "home", config, url, None, None)
