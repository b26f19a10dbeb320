"""`rapport suppressions …`, `rapport erase` and the log-in that `rapport migrate` makes."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from command_line import Rapport, rapport_of
from rapport import warehouse
from rapport.public.login import check_login


@pytest.fixture
def rapport(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, warehouse_url: str
) -> Rapport:
    return rapport_of(monkeypatch, capsys, home=tmp_path / "home", config=tmp_path, url=warehouse_url)


def test_opt_outs_are_imported_listed_and_never_shown(rapport: Rapport, tmp_path: Path) -> None:
    file = tmp_path / "opt_outs.csv"
    file.write_text("address,topic\nanna@mail.example,news\nbert@mail.example,\nwrong,\n")
    code, out, _ = rapport("suppressions", "import", str(file))
    assert code == 1
    assert out.splitlines() == [
        "3 rows read, 2 suppressions added, 1 rows left out",
        "opt_outs.csv, line 4: there is no e-mail address",
    ]
    code, out, _ = rapport("suppressions", "list")
    assert [line.split() for line in out.splitlines()[:2]] == [
        ["1", "all:", "imported"],
        ["1", "news:", "imported"],
    ]
    assert "`rapport suppressions pull`" in out
    code, out, _ = rapport("suppressions", "list", "--json")
    assert json.loads(out)["pulled_from_sendgrid"] is False
    assert "mail.example" not in out


def test_a_pull_without_a_key_says_what_is_missing(rapport: Rapport) -> None:
    code, _, err = rapport("suppressions", "pull")
    assert (code, "SENDGRID_API_KEY is not set" in err) == (2, True)


def test_erasing_says_what_is_left_to_do(rapport: Rapport) -> None:
    code, out, _ = rapport("erase", "anna@mail.example")
    assert code == 0
    assert "was not among the recipients; it gets no mail from now on" in out
    for place in ("raw and marts", "POST /v3/recipients/erasejob", "backups"):
        assert place in out
    assert "anna" not in out
    assert rapport("erase", "anna")[0] == 2


@pytest.fixture
def login(warehouse_url: str) -> Iterator[str]:
    """A log-in that does not exist yet; gone afterwards with the roles of its database."""
    parts = urlsplit(warehouse_url)
    name = f"web_{secrets.token_hex(4)}"
    yield parts._replace(netloc=f"{name}:pw@{parts.netloc.rpartition('@')[2]}").geturl()
    with warehouse.connect(warehouse_url, autocommit=True) as owner:
        roles = [
            name,
            *(f"{owner.info.dbname}_{each}" for each in ("reader", "marketer", "pipeline", "public")),
        ]
        for role in roles:
            owner.execute(sql.SQL("drop owned by {} cascade").format(sql.Identifier(role)))
            owner.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def test_migrating_makes_the_log_in_of_the_public_pages(
    rapport: Rapport, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    monkeypatch.setenv("RAPPORT_PUBLIC_DATABASE_URL", login)
    for _ in range(2):
        assert rapport("migrate")[0] == 0
    check_login(login)
    with psycopg.connect(login) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from activation.recipients")


def test_the_log_in_must_be_a_user_of_its_own(
    rapport: Rapport, monkeypatch: pytest.MonkeyPatch, warehouse_url: str, login: str
) -> None:
    monkeypatch.setenv("RAPPORT_PUBLIC_DATABASE_URL", warehouse_url)
    code, _, err = rapport("migrate")
    assert (code, "needs a user of its own and a password" in err) == (2, True)
    monkeypatch.setenv("RAPPORT_PUBLIC_DATABASE_URL", login)
    assert rapport("migrate")[0] == 0
