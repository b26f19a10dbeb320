"""The command line's answers where something is missing or mistyped."""

from pathlib import Path

import pytest

from command_line import Rapport, rapport_of
from rapport import ledger, warehouse


@pytest.fixture
def rapport(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, warehouse_url: str
) -> Rapport:
    config = tmp_path / "config"
    (config / "sources").mkdir(parents=True)
    return rapport_of(monkeypatch, capsys, home=tmp_path / "home", config=config, url=warehouse_url)


def test_status_before_the_first_run_says_what_to_type(rapport) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = rapport("status")
    assert code == 0
    assert "no run yet" in out
    assert "rapport run" in out


def test_a_mistyped_time_is_refused_with_an_example(rapport) -> None:  # type: ignore[no-untyped-def]
    code, _, err = rapport("run", "--as-of", "yesterday")
    assert code == 2
    assert err == "rapport: yesterday is no time; it looks like 2026-07-01T06:00:00Z\n"


def test_a_missing_config_folder_is_named(rapport, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("RAPPORT_CONFIG", "/nowhere/config")
    code, _, err = rapport("run")
    assert code == 2
    assert "/nowhere/config" in err
    assert "RAPPORT_CONFIG" in err


def test_a_warehouse_that_is_down_is_named_without_its_password(
    rapport,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", "postgresql://me:secret@127.0.0.1:1/shop")
    code, _, err = rapport("status")
    assert code == 2
    assert "me:***@127.0.0.1:1" in err
    assert "secret" not in err
    assert "RAPPORT_WAREHOUSE_URL" in err


def test_going_back_in_time_needs_a_rebuild(rapport, warehouse_url: str) -> None:  # type: ignore[no-untyped-def]
    with warehouse.connect(warehouse_url) as connection:
        connection.execute(
            "insert into ops.runs (as_of, config_hash, state) values ('2030-01-01', '', 'succeeded')"
        )
    code, _, err = rapport("run", "--as-of", "2029-12-31T00:00:00Z")
    assert code == 2
    assert "--rebuild" in err
    with warehouse.connect(warehouse_url) as connection:
        newest = ledger.newest_run(connection)
    assert newest is not None
    assert newest.run_id == 1, "a refused run leaves no row"


def test_a_second_run_at_the_same_time_is_refused(rapport, warehouse_url: str) -> None:  # type: ignore[no-untyped-def]
    with warehouse.connect(warehouse_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [warehouse.RUN_LOCK])
        code, _, err = rapport("run")
    assert code == 2
    assert "another run" in err


def test_reload_says_what_the_next_run_will_do(rapport, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "config" / "sources" / "shop.yml").write_text(
        """
        read: {database: {connection: shop_db}}
        feeds:
          contacts:
            stream: contacts
            read: {database: {table: contacts, cursor: changed}}
            columns: {contact_id: id, updated_at: changed}
          refunds:
            stream: refunds
            read: {database: {table: refunds, cursor: at}}
            columns: {refund_id: id, refunded_at: at, amount: amount}
        """
    )
    (tmp_path / "config" / "sources" / "web.yml").write_text(
        "stream: web_events\nread: {files: clicks/*.csv}\n"
        "columns: {event_id: id, event_name: name, occurred_at: at}\n"
    )
    assert rapport("reload", "web") == (0, "web: its files will be read again at the next run\n", "")
    assert rapport("reload", "shop") == (
        0,
        "shop_contacts: it will be read from its beginning at the next run\n"
        "shop_refunds: it will be read from its beginning at the next run; rows that were loaded keep the "
        "values they were first loaded with, because its mode is append, and rows that are new or were "
        "rejected come in\n",
        "",
    )


def test_reload_knows_the_nearest_source(rapport, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "config" / "sources" / "web_shop.yml").write_text(
        "stream: web_events\nread: {files: clicks/*.csv}\n"
        "columns: {event_id: id, event_name: name, occurred_at: at}\n"
    )
    code, _, err = rapport("reload", "web_shops")
    assert code == 2
    assert err == "rapport: no source is called web_shops; did you mean web_shop?\n"
