"""Of each customer one ticket changes: those around it are judged again, as if all were told at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import built_in_steps
import parcels
import pytest
from built_in_steps import Delivery

from rapport.embedded_postgres import EmbeddedPostgres

TABLE = "int_ticket_first_contacts"

# A day of June after those on which tickets are told of, which cannot be: nobody knows when one was opened.
NO_DATE = 30


@dataclass(frozen=True)
class Case:
    """A customer's tickets at first and what is delivered later, by number: the day of June they were opened.

    `deleted` and `taken_over` (by another customer) are of those that come later, `told_again` is which ones
    the second run judges.
    """

    first: dict[int, int]
    later: dict[int, int]
    told_again: set[int]
    deleted: set[int] = field(default_factory=set)
    taken_over: set[int] = field(default_factory=set)


CASES = {
    "left alone": Case({1: 1, 2: 3}, {}, set()),
    "comes again": Case({1: 1, 2: 3}, {3: 5}, {2, 3}),
    "came in between": Case({1: 1, 2: 3, 3: 9}, {4: 5}, {2, 3, 4}),
    "came before": Case({1: 5}, {2: 1}, {1, 2}),
    "came at the same moment": Case({1: 1, 2: 3, 3: 5}, {4: 5}, {2, 3, 4}),
    "was opened later": Case({1: 1, 2: 3, 3: 5, 4: 7}, {3: 9}, {2, 3, 4}),
    "was opened earlier": Case({1: 1, 2: 3, 3: 5, 4: 7}, {4: 4}, {2, 3, 4}),
    "is taken away": Case({1: 1, 2: 3, 3: 5, 4: 7}, {3: 5}, {2, 4}, deleted={3}),
    "is another's": Case({1: 1, 2: 3, 3: 5, 4: 7}, {3: 5}, {2, 4}, taken_over={3}),
    "has no date": Case({1: 1, 2: 3, 3: NO_DATE}, {3: NO_DATE}, {2, 3}),
    "comes without a date": Case({1: 1, 2: 3}, {3: NO_DATE}, {2, 3}),
    "has a date at last": Case({1: 1, 2: 3, 3: 5, 4: NO_DATE}, {4: 4}, {2, 3, 4}),
    "has a date no more": Case({1: 1, 2: 3, 3: 5, 4: 7}, {3: NO_DATE}, {2, 3, 4}),
    "comes before one without a date": Case({1: 1, 2: 3, 3: NO_DATE}, {4: 5}, {2, 3, 4}),
}
# Whose tickets of the third and the seventh become those of `INTO`.
MERGED = "merged@home.example"
INTO = Case({1: 1, 2: 2, 3: 5, 4: 9}, {}, {2, 3, 4})


def ticket(case: str, number: int, opened: int, delivery: int, **rest: Any) -> dict[str, Any]:
    return {
        "ticket_id": f"{case} {number}",
        "email": email(case),
        "status": "solved",
        "opened_at": f"2026-06-{opened:02} 12:00+00",
        "updated_at": f"2026-06-{19 + delivery} 12:00+00",
        "solved_at": f"2026-06-{opened:02} 13:00+00",
        **rest,
    }


def email(case: str) -> str:
    return f"{case.replace(' ', '.').replace(chr(39), '')}@home.example"


def deliveries() -> list[Delivery]:
    cases = CASES | {"into": INTO}
    first = [ticket(name, *of, 1) for name, case in cases.items() for of in case.first.items()]
    first += [ticket("merged", number, opened, 1, email=MERGED) for number, opened in {1: 3, 2: 7}.items()]
    later = [
        ticket(
            name,
            number,
            opened,
            2,
            is_deleted=number in case.deleted,
            **({"email": email("left alone")} if number in case.taken_over else {}),
        )
        for name, case in cases.items()
        for number, opened in case.later.items()
    ]
    owners = {("email", "", address): address for address in [*map(email, cases), MERGED]}
    return [
        Delivery(datetime(2026, 6, 20, 18, tzinfo=UTC), {"ticket_versions": first}, owners),
        Delivery(
            datetime(2026, 6, 21, 18, tzinfo=UTC),
            {"ticket_versions": later},
            {("email", "", MERGED): email("into")},
        ),
    ]


@pytest.fixture(scope="module")
def built(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    home = tmp_path_factory.mktemp("tickets")
    with built_in_steps.both_ways(postgres, template, home, [f"+{TABLE}"], deliveries()) as urls:
        yield urls


def test_first_contacts_built_in_steps_equal_those_built_at_once(built: tuple[str, str]) -> None:
    in_steps, at_once = (parcels.tables(url, ["intermediate"])[f"intermediate.{TABLE}"] for url in built)

    assert in_steps == at_once


def test_those_around_a_change_are_judged_again_and_no_others(built: tuple[str, str]) -> None:
    in_steps, _ = built
    told = built_in_steps.rows(in_steps, f"select ticket_id from intermediate.{TABLE} where run_id = 2")

    # Whoever takes over a ticket of the fifth, after one of the third.
    expected = {f"{name} {number}" for name, case in CASES.items() for number in case.told_again}
    expected |= {"is another's 3", "left alone 2"} | {f"into {number}" for number in INTO.told_again}
    assert {ticket_id for (ticket_id,) in told} == expected | {"merged 1", "merged 2"}
