"""Segments as the server hands them out: to whom, put on record, two files at a time, places given back."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest

from rapport.web.pages.segments import downloads
from web.served_pages import Answer, Pages
from web.shown_segments import id_of, make_segments

BIG = 60_000


@pytest.fixture(scope="module")
def served(pages: Pages) -> Pages:
    """With the segment `crowd`, whose file is too long for what lies between server and client to hold it."""
    make_segments(pages.url)
    with psycopg.connect(pages.url) as connection:
        connection.execute(
            """
            insert into segments.members
            select 'crowd', 'c_' || number, repeat('x', 400) from generate_series(1, %s) as numbers (number)
            """,
            [BIG],
        )
        connection.execute("insert into segments.sizes values ('crowd', '2026-01-10', 1, %s, 0, 0)", [BIG])
    return pages


@contextmanager
def downloading(pages: Pages) -> Iterator[bytes]:
    """What a client has got of `crowd` that reads the beginning and no more; it hangs up at the end."""
    address = urlsplit(pages.address)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect((address.hostname, address.port))
        request = (
            f"GET /rapport/segments/crowd/download.csv HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Cookie: _token={pages.token('mia')}\r\n\r\n"
        )
        client.sendall(request.encode())
        got = b""
        while b"customer_id,reason" not in got:
            more = client.recv(1024)
            assert more, got
            got += more
        yield got


def places_taken(pages: Pages) -> int:
    with psycopg.connect(pages.url) as connection:
        row = connection.execute(
            """
            select count(*) from pg_locks
            where
                locktype = 'advisory' and classid = %s
                and database = (select oid from pg_database where datname = current_database())
            """,
            [downloads.PLACE_LOCK],
        ).fetchone()
    assert row is not None
    return int(row[0])


def wait_for_places(pages: Pages, number: int) -> None:
    deadline = time.monotonic() + 15
    while places_taken(pages) != number:
        assert time.monotonic() < deadline, f"{places_taken(pages)} places are taken, not {number}"
        time.sleep(0.05)


def records(pages: Pages) -> list[tuple[object, ...]]:
    with psycopg.connect(pages.url) as connection:
        return connection.execute(
            "select who, role, action, subject, detail from ops.page_audit order by audit_id"
        ).fetchall()


@pytest.mark.parametrize("path", ["", "/loyal", "/loyal/members", "/loyal/moves", "/nobody", "/crowd"])
def test_everybody_sees_segments_and_a_viewer_nobody_in_them(served: Pages, path: str) -> None:
    as_viewer = served.get(f"/rapport/segments{path}", "vera")
    assert as_viewer.status == 200
    assert "inbox.example" not in as_viewer.text
    assert "Müller" not in as_viewer.text
    assert "c_0" not in as_viewer.text
    assert "download." not in as_viewer.text
    assert "style=" not in as_viewer.text
    assert served.get(f"/rapport/segments{path}", "mia").status == 200
    assert served.get(f"/rapport/segments{path}").status == 401


def test_a_marketer_finds_members_and_goes_on_from_a_shared_link(served: Pages) -> None:
    first = served.get("/rapport/segments/loyal/members", "mia").text
    assert f'href="/rapport/customers/{id_of(110)}"' in first
    assert "=cmd|&#39;/c calc&#39;!A0" in first
    link = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = served.get(link, "mia").text
    assert f"/rapport/customers/{id_of(60)}" in second
    assert f"/rapport/customers/{id_of(61)}" not in second


def test_a_search_comes_in_a_form_of_our_own_and_is_written_as_it_was_typed(served: Pages) -> None:
    def searched(who: str, q: str, **fields: str) -> Answer:
        form = urlencode({"form_token": served.form_token(who), "q": q, **fields}).encode()
        return served.send("POST", "/rapport/segments/loyal/members", who, form)

    found = searched("mia", "anna müller 104").text
    assert f"/rapport/customers/{id_of(104)}" in found
    assert f"/rapport/customers/{id_of(100)}" not in found
    hostile = searched("mia", "<script>").text
    assert "<script>" not in hostile
    assert "&lt;script&gt;" in hostile
    assert searched("vera", "anna").status == 403
    assert searched("mia", "anna", form_token="x").status == 403
    assert searched("mia", " ").status == 303


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_are_for_marketers_and_put_on_record(served: Pages, form: str) -> None:
    before = records(served)
    path = f"/rapport/segments/loyal/download.{form}"
    assert served.get(path).status == 401
    assert served.get(path, "vera").status == 403
    assert served.get(f"/rapport/segments/unheard_of/download.{form}", "mia").status == 404
    assert served.get("/rapport/segments/loyal/download.exe", "mia").status == 422
    assert records(served) == before
    answer = served.get(path, "mia")
    assert answer.status == 200
    assert f"loyal-2026-01-10.{form}" in answer.headers["content-disposition"]
    [record] = records(served)[len(before) :]
    assert record[:4] == ("mia", "marketer", "downloaded segment", "loyal")
    detail = record[4]
    assert isinstance(detail, dict)
    assert (detail["form"], detail["members"], detail["rows_at_most"]) == (form, 100, downloads.ROWS_AT_MOST)
    assert "email" in detail["columns"]
    assert "@" not in json.dumps(detail)
    wait_for_places(served, 0)


def test_the_record_stands_before_the_first_byte(served: Pages) -> None:
    before = len(records(served))
    with downloading(served):
        assert len(records(served)) == before + 1
    wait_for_places(served, 0)


def test_without_a_record_there_is_no_file(served: Pages) -> None:
    with psycopg.connect(served.url) as connection:
        connection.execute("alter table ops.page_audit rename to set_aside")
    try:
        answer = served.get("/rapport/segments/loyal/download.csv", "mia")
    finally:
        with psycopg.connect(served.url) as connection:
            connection.execute("alter table ops.set_aside rename to page_audit")
    assert answer.status >= 500
    assert "customer_id" not in answer.text
    wait_for_places(served, 0)


def test_the_third_at_a_time_is_told_to_wait_and_who_hangs_up_makes_room(served: Pages) -> None:
    with ExitStack() as both:
        for _ in range(downloads.PLACES):
            both.enter_context(downloading(served))
        wait_for_places(served, downloads.PLACES)
        before = len(records(served))
        third = served.get("/rapport/segments/loyal/download.csv", "mia")
        assert third.status == 429
        assert int(third.headers["retry-after"]) > 0
        assert "Two downloads are under way" in third.text
        assert len(records(served)) == before
    wait_for_places(served, 0)
    assert served.get("/rapport/segments/loyal/download.csv", "mia").status == 200


def test_a_file_that_is_read_to_its_end_has_every_member(served: Pages) -> None:
    answer = served.get("/rapport/segments/crowd/download.csv", "mia")
    assert answer.content.count(b"\n") == BIG + 1
    wait_for_places(served, 0)
