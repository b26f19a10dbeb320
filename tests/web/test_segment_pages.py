"""Segments: their sizes through time, who is in, who came and went, and what a viewer is not told."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest

from audiences.hand_made_segments import Shop, at
from rapport import ledger
from rapport.audiences.definition import Definition, read_definition
from rapport.audiences.memberships import record_memberships
from rapport.audiences.stored_definitions import save
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings
from rapport.web import database
from rapport.web.pages.segments import definition, people, profile, sizes
from rapport.web.pages.segments.people import Rows
from rapport.web.pages.segments.search import search
from rapport.web.visitors import Role, Visitor
from web.shown_segments import id_of, make_segments, shown_segments

MIA, VERA = Visitor("mia", Role.MARKETER), Visitor("vera", Role.VIEWER)


@pytest.fixture(scope="module")
def shown(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Read only."""
    with shown_segments(postgres, template, tmp_path_factory.mktemp("segments")) as settings:
        yield settings


def all_pages(read: Callable[[str], Rows]) -> list[Rows]:
    pages = [read("")]
    while pages[-1].after is not None:
        pages.append(read(pages[-1].after))
        assert len(pages) < 50
    return pages


def names(pages: list[Rows]) -> list[str | None]:
    return [one.customer_id for page in pages for one in page.people]


def test_sizes_changes_and_trends(shown: Settings) -> None:
    with database.people(shown, VERA) as connection:
        loyal, nobody = sizes.read_segments(connection)
        assert sizes.read_segment(connection, "no such segment") is None
        assert sizes.customers(connection, "loyal") == 120
    assert (loyal.name, loyal.title, loyal.description) == ("loyal", "Loyal", "People who come back.")
    assert loyal.trend == [60, 110, 100]
    assert (loyal.change, loyal.week_change) == (-10, -10)
    assert loyal.week_ago is not None
    assert loyal.week_ago.as_of == at(2)
    assert loyal.now is not None
    assert (loyal.now.entered, loyal.now.left) == (0, 10)
    assert (nobody.trend, nobody.change, nobody.week_change) == ([0, 0, 0], 0, 0)


def test_a_segment_that_was_made_in_the_pages_says_what_it_asks_for(
    settings_with_roles: Settings,
) -> None:
    url = settings_with_roles.warehouse_url
    assert url is not None
    make_segments(url)
    content = {"match": "all", "conditions": [{"column": "country", "test": "equals", "value": "D'E"}]}
    made = read_definition(content)
    assert isinstance(made, Definition)
    with psycopg.connect(url) as connection:
        save(connection, "germans", made, based_on=None, comment="for May", who="mia", taken=())
    with database.people(settings_with_roles, VERA) as connection:
        germans = sizes.read_segments(connection)[0]
        shown = definition.read_sql(settings_with_roles, connection, germans)
    assert germans.description == "People for whom: country is D'E."
    assert germans.freshness(at(9))[0] == "not counted yet"
    assert shown.written is not None
    assert "customers.country = 'D''E'" in shown.written
    with psycopg.connect(url) as connection:
        connection.execute("alter table marts.customers rename country to land")
        run = ledger.newest_run(connection)
    assert run is not None
    Shop(url).segment("nobody")
    with psycopg.connect(url) as connection:
        connection.execute("alter table marts.customers add country integer")
    record_memberships(url, run, ["nobody"])
    with database.people(settings_with_roles, VERA) as connection:
        held = sizes.read_segment(connection, "germans")
        assert held is not None
        assert held.made is not None
        assert held.freshness(at(9))[0] == "held"
        assert "is no number" in str(held.made.held_because)
        assert definition.read_sql(settings_with_roles, connection, held).written is None


def test_the_definition_of_a_file_is_its_text_with_the_thresholds_that_are_set(shown: Settings) -> None:
    (shown.config / "customer_view.yml").write_text("loyal_min_orders: 7\n")
    with database.people(shown, VERA) as connection:
        loyal = sizes.read_segment(connection, "loyal")
        assert loyal is not None
        found = definition.read_sql(shown, connection, loyal)
    assert found.file == "dbt_project/models/segments/loyal.sql"
    assert found.written is not None
    assert "{{ var('loyal_min_orders') }}" in found.written
    assert found.thresholds["loyal_min_orders"] == 7
    assert found.run is not None
    assert "order_count >= 11" in found.run


def test_a_week_is_compared_with_the_run_about_seven_days_before_and_with_nothing_else() -> None:
    def size(day: float, members: int) -> sizes.Size:
        return sizes.Size(at(0) + timedelta(days=day), members, 0, 0, None)

    def change(*found: sizes.Size) -> int | None:
        return sizes.Segment("x", None, found, True).week_change

    assert change(size(1, 5), size(2.01, 7), size(8, 10), size(9, 20)) == 13
    assert change(size(4, 5), size(9, 20)) is None
    assert change() is None


def test_freshness_is_told_by_the_age_of_the_last_count() -> None:
    counted = sizes.Segment("x", None, [sizes.Size(at(1), 1, 1, 0, None)], True)
    assert counted.freshness(at(2))[0] == "fresh"
    assert counted.freshness(at(3))[0] == "late"
    assert counted.freshness(at(9))[0] == "stale"
    removed = sizes.Segment("x", None, counted.sizes, False)
    assert removed.freshness(at(1))[0] == "not in the last run"


def test_members_are_read_page_by_page_and_nobody_twice(shown: Settings) -> None:
    with database.people(shown, MIA) as connection:
        pages = all_pages(lambda after: people.members(connection, MIA, "loyal", after=after))
    found = names(pages)
    assert sorted(str(name) for name in found) == [id_of(number) for number in range(11, 111)]
    assert found[:50] == [id_of(number) for number in range(110, 60, -1)]
    assert pages[0].people[0].at == at(2)
    assert pages[0].people[0].customer.name == "=cmd|'/c calc'!A0 Müller 110"
    assert pages[0].people[0].reason == "+110 orders"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ben", [number for number in range(11, 111) if number % 4 == 1]),
        ("MÜLLER  110", [110]),
        ("Anna Müller 1", [12, 16, *range(100, 111, 4)]),
        ("100%", [number for number in range(11, 111) if number % 4 == 3]),
        ("%", []),
        ("_nna", []),
        ("' or true --", []),
        ("{{ env_var('HOME') }}", []),
        (id_of(110), [110]),
        (id_of(0x60)[:-1], [*range(0x60, 0x6F)]),
        (id_of(5), []),
    ],
)
def test_members_are_found_by_the_beginning_of_a_name_or_an_id(
    shown: Settings, typed: str, found: list[int]
) -> None:
    with database.people(shown, MIA, alone=True) as connection:
        pages = all_pages(lambda after: search(connection, MIA, "loyal", typed, after=after))
    assert sorted(str(name) for name in names(pages)) == [id_of(number) for number in found]
    assert all(one.reason.endswith(" orders") and one.at < at(9) for page in pages for one in page.people)


def test_who_came_and_went_comes_back_in_order_of_time(shown: Settings) -> None:
    with database.people(shown, MIA) as connection:

        def read(**options: object) -> list[Rows]:
            return all_pages(
                lambda after: people.moves(connection, MIA, "loyal", after=after, **options)  # type: ignore[arg-type]
            )

        everything = [one for page in read() for one in page.people]
        assert [one.at for one in everything] == sorted((one.at for one in everything), reverse=True)
        assert [(one.move, one.since) for one in everything[:10]] == [("left", at(1))] * 10
        assert len({(one.customer_id, one.move) for one in everything}) == len(everything) == 120
        assert names(read(kind="left")) == [id_of(number) for number in range(10, 0, -1)]
        assert names(read(at=at(2))) == [id_of(number) for number in range(110, 60, -1)]
        assert names(read(kind="entered", at=at(9))) == []


@pytest.mark.parametrize("after", ["nonsense", "2026-01-01~c_1", "~~", "-5", "9" * 30])
def test_a_place_that_is_none_is_no_error(shown: Settings, after: str) -> None:
    for who in (MIA, VERA):
        with database.people(shown, who) as connection:
            people.members(connection, who, "loyal", after=after)
            people.moves(connection, who, "loyal", after=after)


def test_a_viewer_learns_nothing_that_an_address_can_be_checked_against(
    shown: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A customer's id is a hash of their address: whoever sees ids can try addresses."""
    monkeypatch.setattr(people, "VIEWERS_SEE", 100)
    with database.people(shown, VERA) as connection:
        pages = all_pages(lambda after: people.members(connection, VERA, "loyal", after=after))
        moved = all_pages(lambda after: people.moves(connection, VERA, "loyal", after=after))
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("select email from marts.customers")
    assert [len(page.people) for page in pages] == [50, 50]
    assert pages[0].after == "50"
    assert pages[1].is_cut is False
    assert [len(page.people) for page in moved] == [50, 50]
    assert moved[1].is_cut
    for one in [one for page in [*pages, *moved] for one in page.people]:
        assert (one.customer_id, one.customer.email, one.customer.name) == (None, None, "")
        assert one.customer.lifecycle_stage == "active"


def test_the_profile_stands_beside_all_customers(shown: Settings) -> None:
    with database.people(shown, VERA) as connection:
        found = {dimension.column: values for dimension, values in profile.read_profile(connection, "loyal")}
        assert profile.read_profile(connection, "nobody") == []
    germans, unknown = found["country"]
    assert (germans.name, germans.members, germans.share) == ("DE", 67, 0.67)
    assert germans.share_of_all == pytest.approx(2 / 3)
    assert (unknown.name, unknown.members) == ("not known", 33)
    assert [value.name for value in found["last_channel"]] == ["email"]
    assert [value.name for value in found["nps_group"]] == ["no answer"]
    assert all(sum(value.share for value in values) == pytest.approx(1) for values in found.values())


def test_rare_values_are_added_up() -> None:
    counted: dict[str | None, tuple[int, int]] = {f"land {n}": (n, 2 * n) for n in range(1, 13)}
    values = profile._values(profile.Dimension("country", "Country", "not known"), {**counted, None: (22, 0)})
    assert [value.name for value in values] == [
        *(f"land {n}" for n in range(12, 4, -1)), "4 others", "not known",
    ]  # fmt: skip
    assert values[-2].members == 1 + 2 + 3 + 4
    assert values[-1].ratio is None
