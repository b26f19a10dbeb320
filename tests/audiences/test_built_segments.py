"""Segments made in the pages through runs: versions, what is held, names, the end of one."""

from typing import Any

import psycopg
import pytest

from audiences import hand_made_shop
from rapport import ledger
from rapport.audiences import built_segments, stored_definitions
from rapport.audiences.definition import Definition, read_definition
from rapport.audiences.memberships import record_memberships
from rapport.campaigns.fields import Fields
from rapport.errors import DefinitionRefused


@pytest.fixture
def shop(warehouse_url: str) -> str:
    hand_made_shop.make(warehouse_url)
    return warehouse_url


def save(
    url: str, name: str, *conditions: dict[str, Any], based_on: int | None = None, taken: tuple[str, ...] = ()
) -> int:
    definition = read_definition({"match": "all", "conditions": list(conditions)})
    assert isinstance(definition, Definition)
    with psycopg.connect(url) as connection:
        return stored_definitions.save(
            connection, name, definition, based_on=based_on, comment="", who="mia", taken=taken
        )


def build(url: str, *files: str) -> dict[str, int]:
    run = hand_made_shop.run(url)
    sizes = record_memberships(url, run, files)
    ledger.close_run(url, run.run_id)
    return sizes


def rows(url: str, query: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


GERMANS = {"column": "country", "test": "equals", "value": "DE"}
BUYERS = {"did": "order"}


def test_each_run_builds_the_newest_version(shop: str) -> None:
    assert save(shop, "germans", GERMANS) == 1
    assert build(shop) == {"germans": 2}
    assert rows(shop, "select * from segments.germans order by 1") == [
        ("c_0a", "country DE"),
        ("c_ff", "country DE"),
    ]
    assert save(shop, "germans", GERMANS, BUYERS, based_on=1) == 2
    assert build(shop) == {"germans": 1}
    assert rows(shop, "select segment, customer_id from segments.members") == [("germans", "c_0a")]
    assert rows(shop, "select version, members, held_because from segments.definition_builds") == [
        (2, 1, None)
    ]
    assert rows(shop, "select count(*) from segments.definitions") == [(2,)]
    assert rows(shop, "select obj_description('segments.germans'::regclass, 'pg_class')") == [
        ("Country is DE and at least 1 order. Made in the segment builder, version 2.",)
    ]


def test_one_that_cannot_be_built_is_held_with_its_members_and_the_others_are_built(shop: str) -> None:
    save(shop, "germans", GERMANS)
    save(shop, "koelner", {"column": "city", "test": "starts_with", "value": "k"})
    assert build(shop) == {"germans": 2, "koelner": 2}
    with psycopg.connect(shop) as connection:
        connection.execute("alter table marts.customers rename column city to town")
        connection.execute("update marts.customers set country = 'AT' where customer_id = 'c_ff'")
        assert built_segments.held(connection) == []
    assert build(shop) == {"germans": 1, "koelner": 2}
    with psycopg.connect(shop) as connection:
        assert built_segments.held(connection) == ["segment koelner is held: customers have no column city"]
        assert built_segments.held(connection, ["germans"]) == []
    left = rows(
        shop, "select segment from segments.memberships where left_at is not null or segment = 'koelner'"
    )
    assert [segment for (segment,) in left].count("koelner") == 2  # nobody left, nobody entered again


def test_a_definition_that_nobody_could_have_saved_is_held_too(shop: str) -> None:
    with psycopg.connect(shop) as connection:
        connection.execute(
            """
            insert into segments.definitions (name, version, definition, created_by)
            values ('odd', 1, '{"match": "all", "sql": "delete from marts.customers"}', 'somebody')
            """
        )
    assert build(shop) == {"odd": 0}
    ((held_because,),) = rows(shop, "select held_because from segments.definition_builds")
    assert "not permitted" in held_because


def test_files_go_before_definitions_of_their_name(shop: str) -> None:
    save(shop, "active", GERMANS)
    with psycopg.connect(shop) as connection:
        connection.execute(
            "create view segments.active as select customer_id, 'file' as reason from marts.customers limit 1"
        )
    assert build(shop, "active") == {"active": 1}
    assert rows(shop, "select reason from segments.members") == [("file",)]
    ((held_because,),) = rows(shop, "select held_because from segments.definition_builds")
    assert "active.sql has its name" in held_because


def test_a_retired_segment_ends_and_may_begin_again(shop: str) -> None:
    save(shop, "germans", GERMANS)
    build(shop)
    with psycopg.connect(shop) as connection:
        assert Fields.of(connection).defined == ["germans"]
        assert stored_definitions.retire(connection, "germans")
        assert not stored_definitions.retire(connection, "germans")
        assert Fields.of(connection).defined == []
    assert build(shop) == {}
    assert rows(shop, "select to_regclass('segments.germans')") == [(None,)]
    assert rows(shop, "select * from segments.members") == []
    assert save(shop, "germans", GERMANS) == 2
    assert build(shop) == {"germans": 2}


def test_what_cannot_be_saved(shop: str) -> None:
    save(shop, "germans", GERMANS)
    for name, based_on, taken, sentence in [
        ("germans", None, (), "exists already"),
        ("loyal", None, ("loyal",), "models/segments/loyal.sql is a segment already"),
        ("members", None, (), "segments.members is a table"),
        ("Nice", None, (), "small letters"),
        ('a"; drop', None, (), "small letters"),
    ]:
        with pytest.raises(DefinitionRefused, match=sentence):
            save(shop, name, GERMANS, based_on=based_on, taken=taken)
    save(shop, "germans", BUYERS, based_on=1)
    with pytest.raises(DefinitionRefused, match="mia saved version 2 of germans after you opened version 1"):
        save(shop, "germans", GERMANS, based_on=1)


@pytest.mark.parametrize(
    "statement",
    [
        "update segments.definitions set definition = '{}'",
        "update segments.definitions set version = 7",
        "delete from segments.definitions",
    ],
)
def test_versions_never_change(shop: str, statement: str) -> None:
    save(shop, "germans", GERMANS)
    with (
        psycopg.connect(shop) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="only added to"),
    ):
        connection.execute(statement.encode())
