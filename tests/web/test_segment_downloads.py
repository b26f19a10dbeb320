"""A segment as a file: the same rows as its members, nothing that runs, two at a time, on record first."""

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import psycopg
import pyarrow.parquet as pq
import pytest

from audiences.hand_made_segments import at
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings
from rapport.web.pages.segments import downloads
from rapport.web.visitors import Role, Visitor
from web.shown_segments import id_of, shown_segments

MIA, VERA = Visitor("mia", Role.MARKETER), Visitor("vera", Role.VIEWER)
OWN = ["points", "note", "odds", "is_good", "since_day", "factor", "items", "nothing", "blank"]


@pytest.fixture(scope="module")
def shown(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Only read."""
    with shown_segments(postgres, template, tmp_path_factory.mktemp("segments")) as settings:
        yield settings


def downloaded(settings: Settings, segment: str, form: downloads.Form) -> bytes:
    extract = downloads.begin(settings, MIA, segment)
    assert extract is not None
    with closing(extract):
        return b"".join(extract.blocks(form))


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_csv_has_the_members_with_their_names_and_what_the_segment_says(shown: Settings) -> None:
    rows = {row["customer_id"]: row for row in rows_of(downloaded(shown, "loyal", "csv"))}
    assert sorted(rows) == [id_of(number) for number in range(11, 111)]
    assert list(rows[id_of(12)]) == ["customer_id", "reason", "entered_at", *downloads.CUSTOMER_COLUMNS, *OWN]
    assert rows[id_of(12)] | {"odds": ""} == {
        "customer_id": id_of(12), "reason": "'+12 orders", "entered_at": "2026-01-02 00:00:00",
        "first_name": "Anna", "last_name": "Müller 12", "email": "person12@inbox.example",
        "email_topics": '["news"]', "country": "", "language": "de", "time_zone": "Europe/Berlin",
        "company_name": "", "lifecycle_stage": "active", "order_count": "12", "net_revenue": "-18.0",
        "reporting_currency": "EUR", "first_order_at": "2026-01-01 12:00:00",
        "last_order_at": "2026-01-02 12:30:15", "points": "12", "note": "'@tab\t", "odds": "",
        "is_good": "t", "since_day": "2026-02-03", "factor": "1.5", "items": '[{"name": "Cup \\"big\\""}]',
        "nothing": "", "blank": "",
    }  # fmt: skip


@pytest.mark.parametrize("reader", ["csv", "pandas"])
def test_no_cell_is_one_that_a_spreadsheet_would_run(shown: Settings, reader: str) -> None:
    content = downloaded(shown, "loyal", "csv")
    if reader == "csv":
        table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    else:
        frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        table = [list(frame.columns), *frame.to_numpy().tolist()]
    cells = [cell for row in table for cell in row]
    dangerous = [cell for cell in cells if cell.startswith(tuple(downloads.RUNS))]
    assert dangerous
    assert all(float(cell) < 0 for cell in dangerous), "only numbers may begin so"
    assert "'=cmd|'/c calc'!A0" in cells


@pytest.mark.parametrize("sign", downloads.RUNS)
def test_whatever_sign_a_text_begins_with_is_defused_and_a_number_stays_one(
    shown: Settings, sign: str
) -> None:
    assert shown.warehouse_url is not None
    with psycopg.connect(shown.warehouse_url) as connection:
        column = downloads.Column("value", "text", "customers")
        row = connection.execute(
            b"select "
            + downloads._cell(column, "csv").as_bytes(connection)
            + b" from (select %s as value) as customers",
            [f"{sign}1+1"],
        ).fetchone()
    assert row == (f"'{sign}1+1",)
    assert downloads.defused(f"{sign}x") == f"'{sign}x"
    assert downloads.defused("1=1") == "1=1"


def test_pandas_reads_numbers_as_numbers(shown: Settings) -> None:
    frame = pd.read_csv(io.BytesIO(downloaded(shown, "loyal", "csv")))
    assert frame["net_revenue"].sum() == -1.5 * sum(range(11, 111))
    assert frame["order_count"].tolist() == frame["points"].tolist()
    assert pd.to_datetime(frame["last_order_at"]).dt.year.unique().tolist() == [2026]


def test_parquet_keeps_types_and_text_as_it_is(shown: Settings) -> None:
    table = pq.read_table(io.BytesIO(downloaded(shown, "loyal", "parquet")))
    assert table.num_rows == 100
    row = next(row for row in table.to_pylist() if row["customer_id"] == id_of(14))
    assert row["first_name"] == "=cmd|'/c calc'!A0"
    assert row["reason"] == "+14 orders"
    assert row["net_revenue"] == Decimal(-21)
    assert row["odds"] == Decimal("-3.000000000")
    assert row["last_order_at"] == datetime(2026, 1, 2, 12, 30, 15, 250_000, UTC)
    assert row["entered_at"] == at(1)
    assert (row["is_good"], row["since_day"], row["factor"]) == (True, date(2026, 2, 3), 1.5)
    assert (row["nothing"], row["blank"], row["order_count"]) == (None, "", 14)


def test_parquet_comes_in_row_groups(shown: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "ROW_GROUP_BYTES", 2000)
    content = downloaded(shown, "loyal", "parquet")
    file = pq.ParquetFile(io.BytesIO(content))
    assert file.metadata.num_row_groups > 5
    assert file.read().num_rows == 100


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_empty_segment_is_a_header(shown: Settings, form: downloads.Form) -> None:
    content = downloaded(shown, "nobody", form)
    if form == "csv":
        assert content.decode("utf-8-sig").split(",")[:2] == ["customer_id", "reason"]
        assert rows_of(content) == []
    else:
        assert pq.read_table(io.BytesIO(content)).num_rows == 0


def test_a_third_download_finds_no_place_until_one_ends(shown: Settings) -> None:
    first, second = (downloads.begin(shown, MIA, "loyal") for _ in range(2))
    assert first is not None
    assert second is not None
    with closing(second):
        assert downloads.begin(shown, MIA, "loyal") is None
        first.close()
        third = downloads.begin(shown, MIA, "loyal")
        assert third is not None
        third.close()


def test_the_database_itself_keeps_a_viewer_from_it(shown: Settings) -> None:
    extract = downloads.begin(shown, VERA, "loyal")
    assert extract is not None
    with closing(extract), pytest.raises(psycopg.errors.InsufficientPrivilege):
        next(extract.blocks("csv"))
