"""Sizes and profiles of segments, counted once a run, equal what their members say."""

import importlib
import random

import psycopg

from audiences.hand_made_segments import Shop, at

COUNTED = "select segment, as_of, members, entered, left_ from segments.sizes order by 1, 2"
FROM_MEMBERSHIPS = """
    select
        sizes.segment, sizes.as_of,
        count(*) filter (where entered_at <= as_of and (left_at is null or left_at > as_of)),
        count(*) filter (where entered_at = as_of),
        count(*) filter (where left_at = as_of)
    from segments.sizes left join segments.memberships using (segment)
    group by 1, 2 order by 1, 2
"""


def agree(shop: Shop) -> bool:
    return shop.rows(COUNTED) == shop.rows(FROM_MEMBERSHIPS)


def test_sizes_equal_what_the_memberships_say_of_every_run(shop: Shop) -> None:
    dealer = random.Random(3)
    people = [f"p{number}" for number in range(30)]
    for day in range(1, 9):
        for name in ("loyal", "odd Name; drop"):
            shop.segment(name, *dealer.sample(people, dealer.randrange(12)))
        shop.run(day, "loyal", "odd Name; drop")
    assert len(shop.rows(COUNTED)) == 16
    assert agree(shop)


def test_a_repeated_as_of_is_counted_anew(shop: Shop) -> None:
    shop.segment("loyal", "anna", "ben")
    shop.run(1, "loyal")
    shop.segment("loyal", "ben", "cleo", "dora")
    shop.run(2, "loyal")
    assert shop.rows(COUNTED)[-1] == ("loyal", at(2), 3, 2, 1)
    shop.segment("loyal", "ben")
    shop.run(2, "loyal")
    assert shop.rows(COUNTED) == [("loyal", at(1), 2, 2, 0), ("loyal", at(2), 1, 0, 1)]
    assert agree(shop)


def test_a_rebuild_forgets_the_sizes_that_came_after_it(shop: Shop) -> None:
    for day, members in ((1, ["anna", "ben"]), (3, ["ben", "cleo"]), (4, ["cleo"])):
        shop.segment("loyal", *members)
        shop.run(day, "loyal")
    shop.segment("loyal", "anna", "ben", "dora")
    shop.run(2, "loyal")
    assert shop.rows(COUNTED) == [("loyal", at(1), 2, 2, 0), ("loyal", at(2), 3, 1, 0)]
    assert agree(shop)


def test_an_empty_segment_is_counted_and_a_removed_one_no_longer(shop: Shop) -> None:
    shop.segment("loyal")
    shop.segment("gone", "anna")
    shop.run(1, "gone", "loyal")
    shop.run(2, "loyal")
    assert shop.rows(COUNTED) == [
        ("gone", at(1), 1, 1, 0),
        ("loyal", at(1), 0, 0, 0),
        ("loyal", at(2), 0, 0, 0),
    ]


def test_the_runs_before_there_were_sizes_are_counted_from_the_memberships(shop: Shop) -> None:
    for day, members in ((1, ["anna", "ben"]), (2, []), (3, ["ben", "cleo", "dora"]), (4, ["ben"])):
        shop.segment("loyal", *members)
        shop.run(day, "loyal")
    counted = shop.rows("select * from segments.sizes order by as_of")
    migration = importlib.import_module("rapport.migrations.versions.0015_page_lookups")
    with psycopg.connect(shop.url) as connection:
        connection.execute("delete from segments.sizes")
        connection.execute(
            """
            insert into ops.run_steps (run_id, dag, step, state, started_at)
            select run_id, 'build_customer_view', 'record_memberships', 'succeeded', now() from ops.runs
            """
        )
        connection.execute(migration.SIZES_OF_EARLIER_RUNS)
    assert len(counted) == 4
    assert shop.rows("select * from segments.sizes order by as_of") == counted


def test_profiles_count_members_beside_all_customers(shop: Shop) -> None:
    with psycopg.connect(shop.url) as connection:
        connection.execute(
            """
            create table marts.customers as
            select * from (values
                ('anna', 'DE', 'active', 5, 5, 5, 'promoter', 'direct'),
                ('ben', 'DE', 'active', 5, 4, 5, null, 'direct'),
                ('cleo', null, 'prospect', null, null, null, null, null)
            ) as people (
                customer_id, country, lifecycle_stage, recency_score, frequency_score, monetary_score,
                nps_group, last_channel
            )
            """
        )
    shop.segment("loyal", "anna", "ben")
    shop.segment("nobody")
    shop.run(1, "loyal", "nobody")
    profile = "select dimension, value, members, customers from segments.profiles where segment = 'loyal'"
    assert shop.rows(f"{profile} and dimension in ('country', 'nps_group') order by 1, 2") == [
        ("country", "DE", 2, 2),
        ("country", None, 0, 1),
        ("nps_group", "promoter", 1, 1),
        ("nps_group", None, 1, 2),
    ]
    sums = "select distinct sum(members), sum(customers) from segments.profiles group by segment, dimension"
    assert shop.rows(sums) == [(2, 3)]
    assert shop.rows("select distinct segment from segments.profiles") == [("loyal",)]
    shop.segment("loyal", "ben")
    shop.run(2, "loyal", "nobody")
    assert shop.rows(sums) == [(1, 3)]
    with psycopg.connect(shop.url) as connection:
        connection.execute("alter table marts.customers drop column nps_group")
    shop.run(3, "loyal", "nobody")
    dimensions = {dimension for (dimension,) in shop.rows("select dimension from segments.profiles")}
    assert (len(dimensions), "nps_group" in dimensions) == (6, False), "it stops no membership"
    assert shop.rows(sums) == [(1, 3)]
