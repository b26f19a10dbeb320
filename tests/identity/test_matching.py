"""Proposed merges, on records whose truth is known."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.csv as csv
import pytest

from rapport import ledger, warehouse
from rapport.errors import ConfigurationError
from rapport.identity import decisions, proposals, review
from rapport.identity.decisions import Identifier
from rapport.identity.matching import RECORDS, likely_pairs
from rapport.settings import PROJECT

LABELLED = PROJECT.parent / "shared" / "data" / "identity" / "fake_1000.csv"


def scores(path: Path, threshold: float) -> tuple[float, float]:
    """Precision and recall over pairs."""
    text = pa.large_string()
    columns = ("unique_id", "first_name", "surname", "dob", "city")
    read = csv.read_csv(
        path,
        convert_options=csv.ConvertOptions(
            strings_can_be_null=True, column_types=dict.fromkeys((*columns, "cluster"), text)
        ),
    )
    records = read.select(columns).rename_columns(
        ["record_id", "first_name", "last_name", "birth_date", "city"]
    )
    records = records.append_column("postal_code", pa.nulls(len(records), text)).select(RECORDS.names)
    found = likely_pairs(records, threshold=threshold)
    truth = dict(zip(read["unique_id"].to_pylist(), read["cluster"].to_pylist(), strict=True))
    right = sum(truth[row["record_id_a"]] == truth[row["record_id_b"]] for row in found.to_pylist())
    pairs = sum(size * (size - 1) // 2 for size in Counter(truth.values()).values())
    return right / len(found), right / pairs


@pytest.mark.skipif(not LABELLED.exists(), reason=f"{LABELLED} is missing")
def test_what_is_proposed_is_right_and_some_of_what_is_right_is_proposed() -> None:
    precision, recall = scores(LABELLED, threshold=0.9)
    assert precision >= 0.995
    assert recall >= 0.2


def test_records_that_agree_on_nothing_or_are_too_few_give_no_pairs() -> None:
    one = {"record_id": "1", "first_name": "anna", "last_name": "roth"}
    other = {"record_id": "2", "first_name": "ben", "last_name": "kern"}
    for rows in ([], [one], [one, other]):
        assert len(likely_pairs(pa.Table.from_pylist(rows, RECORDS), threshold=0.5)) == 0


@pytest.mark.parametrize(("born", "is_pair"), [("1975-03-09", True), ("1980-03-08", False)])
def test_namesakes_of_one_city_born_years_apart_are_two_people(born: str, is_pair: bool) -> None:
    people = [
        {
            "record_id": f"r{number:03}",
            "first_name": f"first{number % 7}",
            "last_name": f"last{number % 11}",
            "birth_date": f"{1950 + number % 40}-0{1 + number % 9}-{10 + number % 17}",
            "city": f"city{number % 5}",
            "postal_code": None,
        }
        for number in range(200)
    ]
    anna = {"first_name": "anna", "last_name": "lindqvist", "city": "lund", "postal_code": None}
    people += [
        {**anna, "record_id": "x", "birth_date": "1975-03-08"},
        {**anna, "record_id": "y", "birth_date": born},
    ]
    found = likely_pairs(pa.Table.from_pylist(people, RECORDS), threshold=0.5).to_pylist()
    assert (("x", "y") in {(row["record_id_a"], row["record_id_b"]) for row in found}) == is_pair


@pytest.fixture
def known_people(observations_url: str) -> str:
    """Sixty customers, the first two of them one person in two spellings."""
    with psycopg.connect(observations_url) as connection:
        run = ledger.open_run(observations_url, as_of=datetime(2026, 1, 1, tzinfo=UTC), config="")
        connection.execute(
            """
            create schema if not exists marts;
            create table marts.customers (
                customer_id text, first_name text, last_name text, city text, postal_code text, email text
            );
            create schema if not exists staging;
            create table staging.stg_contacts (source text, contact_id text, birth_date date);
            """
        )
        for number in range(60):
            same = 1 if number == 0 else number
            connection.execute(
                "insert into marts.customers values (%s, %s, %s, %s, %s, %s)",
                [
                    f"c{number:02}",
                    f"First{same % 7}",
                    "Lindqvist" if number == 0 else "Lindqvist " if number == 1 else f"Last{same % 11}",
                    f"City{same % 5}",
                    f"{same:05}",
                    f"p{number}@x.example",
                ],
            )
            connection.execute(
                "insert into staging.stg_contacts values ('crm', %s, %s::date + %s)",
                [f"k{number}", "1970-01-01", same * 97],
            )
            for kind, source, value in (
                ("contact", "crm", f"k{number}"),
                ("email", "", f"p{number}@x.example"),
            ):
                if kind == "contact":
                    connection.execute(
                        "insert into identity.customers values (%s, %s, %s, %s, 1, now(), %s)",
                        [f"c{number:02}", kind, source, value, run.run_id],
                    )
                connection.execute(
                    """
                    insert into identity.identifiers (
                        kind, source, value, customer_id, first_batch_id, batch_first_seen_at, first_seen_at,
                        last_seen_at
                    )
                    values (%s, %s, %s, %s, 1, now(), now(), now())
                    """,
                    [kind, source, value, f"c{number:02}"],
                )
    return observations_url


def test_a_proposal_waits_for_a_person_and_merges_nothing(known_people: str) -> None:
    with warehouse.connect(known_people) as connection:
        assert proposals.propose(connection, threshold=0.9) == 1
        (proposal,) = review.proposals(connection)
        assert proposal.names == ("contact:crm:k0", "contact:crm:k1")
        assert "last name lindqvist" in proposal.evidence
        assert "birth date 1970-04-08" in proposal.evidence
        people = connection.execute("select count(distinct customer_id) from identity.identifiers").fetchone()
        assert people == (60,)
        assert review.count(connection) == (0, 1)
        connection.execute("update identity.identifiers set customer_id = 'c00' where customer_id = 'c01'")
        assert review.count(connection) == (0, 0)
        assert review.proposals(connection) == []


def test_what_a_person_cut_apart_is_not_proposed_again(known_people: str) -> None:
    with warehouse.connect(known_people) as connection:
        one, other = (Identifier("email", "", f"p{number}@x.example") for number in (0, 1))
        decisions.decide(connection, "cut", one, other, by="Ann")
        assert proposals.propose(connection, threshold=0.9) == 0


def test_without_a_customer_view_nothing_can_be_proposed(warehouse_url: str) -> None:
    with (
        warehouse.connect(warehouse_url) as connection,
        pytest.raises(ConfigurationError, match="there are no customers yet"),
    ):
        proposals.propose(connection, threshold=0.9)
