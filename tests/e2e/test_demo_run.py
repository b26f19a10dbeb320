"""`make demo` after the set-up: the whole road on a generated shop, twice."""

import csv
import email
import email.policy
import json
import shutil
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from installation import Installation
from killing import assert_equal, kill_in_steps, shop
from leaks import needles, texts_of_ledger, texts_of_sqlite

CUSTOMERS = 300
# Every step is killed in test_killed_runs.py, which takes long; loads and sends closer, in their own tests.
KILLED_STEPS = ["build_marts"]


@dataclass
class Demo:
    """What one `rapport demo` printed and left."""

    printed: str
    status: dict[str, Any]
    mails: dict[str, bytes]
    customer_ids: list[tuple[str, ...]]


def demo(installation: Installation) -> Demo:
    done = installation.rapport("demo", "--customers", str(CUSTOMERS))
    assert done.returncode == 0, done.stdout + done.stderr
    with installation.connect() as connection:
        ids = connection.execute(
            "select kind, source, value, customer_id from identity.identifiers order by 1, 2, 3"
        ).fetchall()
    return Demo(done.stdout, installation.status(), installation.mails(), ids)


@pytest.fixture(scope="module")
def first(installation: Installation) -> Demo:
    return demo(installation)


@pytest.fixture(scope="module")
def truth(installation: Installation, first: Demo) -> dict[str, Any]:
    return json.loads((installation.home / "landing" / "truth" / "counts.json").read_text())


def test_every_row_of_every_feed_is_accounted_for(first: Demo, truth: dict[str, Any]) -> None:
    loads = {step["step"]: step for step in first.status["steps"] if step["rows_read"] is not None}
    assert set(loads) == set(truth["feeds"])
    for feed, counts in truth["feeds"].items():
        assert loads[feed]["rows_read"] == counts["rows"], feed
        assert loads[feed]["rows_rejected"] == counts["broken"], feed
        assert loads[feed]["rows_duplicate"] == counts["duplicates"], feed
        assert loads[feed]["rows_loaded"] == counts["rows"] - counts["broken"] - counts["duplicates"], feed


def test_the_summary_tells_a_marketer_what_happened(first: Demo, installation: Installation) -> None:
    assert first.status["state"] == "succeeded"
    for word in ("order_lines", "rejected", "customers", "checks of the data passed", "unhappy", "win_back"):
        assert word in first.printed
    assert str(installation.home / "mailbox") in first.printed
    assert "Next:" in first.printed


def test_the_money_of_the_marts_is_the_money_of_the_shop(
    installation: Installation, first: Demo, truth: dict[str, Any]
) -> None:
    with installation.connect() as connection:
        orders, gross = connection.execute(
            "select count(*), sum(gross_amount) * 100 from marts.orders"
        ).fetchone() or (0, 0)
        returned = (connection.execute("select sum(amount) * 100 from marts.returns").fetchone() or (0,))[0]
        net = connection.execute("select sum(net_revenue) * 100 from marts.customers").fetchone()
    assert gross == truth["gross_cents"]
    assert orders == truth["orders"]
    assert returned == truth["returned_cents"] - truth["refunded_cents"]
    assert net is not None


def test_nobody_of_two_people_is_one_customer(installation: Installation, first: Demo) -> None:
    """Precision first: no customer holds identifiers of two people; recall: a person has one customer."""
    with installation.connect() as connection:
        found = {
            (kind, value): customer_id
            for kind, value, customer_id in connection.execute(
                """
                select kind, value, customer_id from identity.identifiers
                where kind in ('email', 'customer_number')
                """
            )
        }
    people_of: dict[str, set[str]] = {}
    customers_of: dict[str, set[str]] = {}
    with (installation.home / "landing" / "truth" / "people.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            person = next(iter(row.values()))
            for column, kind in (("emails", "email"), ("customer_numbers", "customer_number")):
                for value in row[column].split():
                    if (kind, value.lower()) in found or (kind, value) in found:
                        customer = found.get((kind, value.lower())) or found[(kind, value)]
                        people_of.setdefault(customer, set()).add(person)
                        customers_of.setdefault(person, set()).add(customer)
    assert len(people_of) > CUSTOMERS / 2
    assert {customer for customer, people in people_of.items() if len(people) > 1} == set()
    alone = [person for person, customers in customers_of.items() if len(customers) == 1]
    assert len(alone) / len(customers_of) > 0.95


def test_every_mail_is_a_proper_one_to_somebody_who_agreed(installation: Installation, first: Demo) -> None:
    sent = sum(campaign["sent"] for campaign in first.status["campaigns"].values())
    assert sent == len(first.mails) > 0
    with installation.connect() as connection:
        agreed = {
            (address, topic)
            for address, topic in connection.execute(
                "select email, topic from marts.consents where is_granted and channel = 'email'"
            )
        }
        topics = {
            campaign: topic
            for campaign, topic in connection.execute(
                "select campaign, specification -> 'campaign' ->> 'topic' from activation.editions"
            )
        }
        campaign_of = {
            str(message_id): campaign
            for message_id, campaign in connection.execute(
                "select message_id, campaign from activation.messages"
            )
        }
    for name, content in first.mails.items():
        mail = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        assert mail.get_content_type() == "multipart/alternative"
        kinds = [part.get_content_type() for part in mail.iter_parts()]
        assert kinds == ["text/plain", "text/html"]
        assert b"\nList-Unsubscribe: <" in content.replace(b"\r\n", b"\n")
        assert "List-Unsubscribe=One-Click" in mail["List-Unsubscribe-Post"]
        message_id = name.split(".")[0].split(":")[0]
        assert (str(mail["To"]).lower(), topics[campaign_of[message_id]]) in agreed
        for part in mail.iter_parts():
            assert "{{" not in part.get_content()
            assert "None" not in part.get_content()


def test_nobody_and_no_secret_is_in_a_log_an_xcom_a_rendered_template_or_the_ledger(
    installation: Installation, first: Demo
) -> None:
    """Airflow shows logs, XComs, rendered templates and what it asks of people to whoever may log in."""
    sought = needles(installation.home, installation.rapport("warehouse", "url").stdout.strip())
    assert len(sought.addresses) > CUSTOMERS
    assert len(sought.secrets) >= 2
    globs = ("logs/*", "run/**/*.log", "run/**/*.cfg", "dbt/logs/*", "postgres/*.log")
    files = [path for glob in globs for path in installation.home.glob(glob) if path.is_file()]
    assert any(file.name.startswith("run-") for file in files), "what tasks log under rapport run"
    metadata = list(texts_of_sqlite(installation.home / "run" / "airflow.db"))
    searched = {place.partition(".")[0] for place, _ in metadata}
    assert {"xcom", "rendered_task_instance_fields", "dag_run", "log"} <= searched
    with installation.connect() as connection:
        ledger = list(texts_of_ledger(connection))
    assert ledger
    texts = [(str(file), file.read_text("utf-8", "replace")) for file in files]
    leaked = {
        place: found for place, text in [*texts, *metadata, *ledger] if (found := sought.found_in(text))
    }
    assert leaked == {}


def test_the_search_finds_each_kind_of_leak(installation: Installation, first: Demo) -> None:
    """Guards the test above."""
    sought = needles(installation.home, installation.rapport("warehouse", "url").stdout.strip())
    (address, *_), (phone, *_) = sorted(sought.addresses), sorted(sought.phones)
    name = next(name for name in sorted(sought.names) if not "".join(name).isascii())
    secret = next(iter(sought.secrets))
    escaped = json.dumps({"to": [" ".join(name).title()]})
    assert sought.found_in(f"sent to <{address.upper()}>") == [f"address {address}"]
    assert sought.found_in(f"called +{phone}.") == [f"phone {phone}"]
    assert sought.found_in(escaped) == [f"name {' '.join(name)}"]
    assert sought.found_in(f"postgresql://rapport:{secret}@127.0.0.1") == [f"secret {secret[:4]}…"]
    assert sought.found_in("12 customers") == []


def test_each_check_says_what_should_hold_and_whose_it_is(installation: Installation, first: Demo) -> None:
    with installation.connect() as connection:
        silent = connection.execute(
            "select test from ops.test_results where description is null or owner is null"
        ).fetchall()
        owners = {owner for (owner,) in connection.execute("select distinct owner from ops.test_results")}
    assert silent == []
    assert owners == {"data engineering", "marketing", "customer service"}


def test_a_killed_run_and_the_next_end_like_this_one(
    installation: Installation, first: Demo, tmp_path: Path
) -> None:
    killed = shop(Installation(tmp_path / "home"), CUSTOMERS)
    # The same key is behind the recipient keys.
    shutil.copytree(installation.home / "secrets", killed.home / "secrets")
    try:
        steps = kill_in_steps(installation, killed, lambda step: step["step"] in KILLED_STEPS)
        assert steps == KILLED_STEPS
        assert_equal(installation, killed)
    finally:
        killed.stop()


def test_the_models_unit_tests_pass(installation: Installation, first: Demo) -> None:
    """They run here because dbt needs the tables that a run has built, for their columns' types."""
    done = installation.rapport("dbt", "test", "--select", "test_type:unit")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "PASS=" in done.stdout
    assert "ERROR=0 SKIP=0" in done.stdout


def test_a_developer_builds_models_in_schemas_of_their_own(installation: Installation, first: Demo) -> None:
    done = installation.rapport("dbt", "build", "--target", "dev", "--select", "+orders")
    assert done.returncode == 0, done.stdout[-4000:]
    with installation.connect() as connection:
        count = connection.execute(
            "select (select count(*) from dev_marts.orders) = (select count(*) from marts.orders)"
        ).fetchone()
    assert count == (True,)


def test_a_second_demo_sends_nothing_and_says_so(installation: Installation, first: Demo) -> None:
    second = demo(installation)
    assert second.status["run_id"] > first.status["run_id"]
    assert second.mails == first.mails
    assert second.customer_ids == first.customer_ids
    assert second.status["segments"] == first.status["segments"]
    assert sum(campaign["sent"] for campaign in second.status["campaigns"].values()) == 0
    assert "Nothing was sent twice" in second.printed


def test_a_rebuild_keeps_the_customers_and_mails_nobody(installation: Installation, first: Demo) -> None:
    done = installation.rapport("run", "--as-of", first.status["as_of"], "--rebuild")
    assert done.returncode == 0, done.stdout + done.stderr
    with installation.connect() as connection:
        ids = connection.execute(
            "select kind, source, value, customer_id from identity.identifiers order by 1, 2, 3"
        ).fetchall()
    assert ids == first.customer_ids
    assert installation.mails() == first.mails
