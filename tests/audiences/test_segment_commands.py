"""`rapport segments …`."""

from pathlib import Path

import psycopg
import pytest

from audiences import hand_made_shop
from command_line import Rapport, rapport_of
from rapport.audiences import stored_definitions
from rapport.audiences.definition import Definition, read_definition
from rapport.audiences.memberships import record_memberships


@pytest.fixture
def rapport(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, warehouse_url: str
) -> Rapport:
    return rapport_of(monkeypatch, capsys, home=tmp_path / "home", config=tmp_path, url=warehouse_url)


def test_segments_are_listed_shown_and_retired(rapport: Rapport, warehouse_url: str) -> None:
    assert rapport("segments", "list")[1] == "No segment was made in the pages yet.\n"
    hand_made_shop.make(warehouse_url)
    definition = read_definition(
        {"match": "all", "conditions": [{"column": "city", "test": "contains", "value": "ln"}]}
    )
    assert isinstance(definition, Definition)
    with psycopg.connect(warehouse_url) as connection:
        stored_definitions.save(
            connection, "koelner", definition, based_on=None, comment="for May", who="mia", taken=[]
        )
    assert rapport("segments", "list")[1] == "koelner, version 1: not built yet\n"
    record_memberships(warehouse_url, hand_made_shop.run(warehouse_url), [])
    assert rapport("segments", "list")[1] == "koelner, version 1: 2 members\n"
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("alter table marts.customers rename column city to town")
    record_memberships(warehouse_url, hand_made_shop.run(warehouse_url), [])
    assert "held: customers have no column city" in rapport("segments", "list")[1]
    shown = rapport("segments", "show", "koelner")[1]
    assert "mia (for May): city contains ln" in shown
    assert '"value": "ln"' in shown
    assert rapport("segments", "retire", "koelner")[0] == 0
    assert rapport("segments", "list")[1] == "koelner, version 1: retired\n"
    for command in ("retire", "show"):
        code, _, error = rapport("segments", command, "koelner" if command == "retire" else "nobody")
        assert code == 2
        assert "was made in the pages" in error
