"""The customers' pages on a copy of the generated shop: what they find, show, keep back and put on record."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import psycopg
import pytest
from parcels import BuiltShop
from psycopg.rows import dict_row
from views_of_segments import SEGMENTS, add_segments

from chosen_postgres import a_warehouse
from rapport import ledger, roles, warehouse
from rapport.audiences.memberships import record_memberships
from rapport.campaigns.dry_run import dry_run
from rapport.campaigns.outlook import NOT_CONSIDERED, outlook
from rapport.campaigns.planning import plan_campaigns
from rapport.campaigns.reasons import REASONS
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT, Settings
from rapport.web import database
from rapport.web.pages.customers import mails, permissions, profile, search, timeline, wanted
from rapport.web.visitors import Role, Visitor
from web.served_pages import Answer, Pages, starting

MIA = Visitor("mia", Role.MARKETER)
FORMER = "c_00000000000000000000"
ODD = ("{{ env_var('X') }}", "%_'; drop table customers; --")


@pytest.fixture(scope="module")
def settings(
    built_shop: BuiltShop, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A copy of the shop, with segments, planned campaigns, a former id and a customer with an odd name."""
    home = tmp_path_factory.mktemp("customer_pages")
    with a_warehouse(postgres, built_shop.url.rpartition("/")[2]) as url:
        settings = Settings(home, PROJECT / "config", url, None, None)
        with warehouse.connect(url) as connection:
            assert roles.ensure(connection)
            run = ledger.newest_run(connection)
            assert run is not None
            add_segments(connection, run.run_id)
        record_memberships(url, run, list(SEGMENTS))
        plan_campaigns(url, run, settings)
        with warehouse.connect(url) as connection:
            _add_oddities(connection)
        yield settings


def _add_oddities(connection: psycopg.Connection) -> None:
    connection.execute(
        """
        insert into identity.customers
            (customer_id, kind, source, value, first_batch_id, first_seen_at, created_run_id)
        values (%s, 'email', '', 'former@home.example', 1, now(), 1)
        """,
        [FORMER],
    )
    connection.execute(
        """
        insert into identity.merges (old_customer_id, customer_id, run_id, kind, source, value)
        select %s, customer_id, 1, kind, source, value
        from identity.identifiers where kind = 'email' order by value limit 1
        """,
        [FORMER],
    )
    connection.execute(
        """
        insert into marts.customers (customer_id, first_name, last_name, lifecycle_stage, order_count,
            reporting_currency, session_count, ticket_count, email_count)
        values ('c_odd', %s, %s, 'prospect', 0, 'EUR', 0, 0, 0)
        """,
        ODD,
    )


@pytest.fixture(scope="module")
def customers(settings: Settings) -> list[dict[str, object]]:
    with warehouse.connect(str(settings.warehouse_url)) as connection:
        return (
            connection.cursor(row_factory=dict_row)
            .execute("select * from marts.customers where customer_id <> 'c_odd' order by customer_id")
            .fetchall()
        )


@pytest.fixture
def marketer(settings: Settings) -> Iterator[psycopg.Connection]:
    with database.people(settings, MIA, alone=True) as connection:
        yield connection


@pytest.fixture
def viewer(settings: Settings) -> Iterator[psycopg.Connection]:
    with database.people(settings, Visitor("vera", Role.VIEWER)) as connection:
        yield connection


def found(connection: psycopg.Connection, text: str) -> list[tuple[str, str]]:
    hits = search.find(connection, wanted.read(text, {}), None).hits
    return [(hit.customer_id, hit.found_by) for hit in hits]


def test_each_identifier_finds_its_customer(settings: Settings, marketer: psycopg.Connection) -> None:
    rows = marketer.execute(
        """
        select distinct on (kind, source) kind, value, customer_id from marts.customer_identifiers
        where kind <> 'device' order by kind, source, value
        """
    ).fetchall()
    assert {row[0] for row in rows} == {"email", "phone", "customer_number", "contact"}
    for kind, value, customer_id in rows:
        assert (customer_id, kind) in found(marketer, f" {value.upper() if kind == 'email' else value} ")


def test_a_phone_is_found_as_people_write_it(marketer: psycopg.Connection) -> None:
    row = marketer.execute(
        "select value, customer_id from marts.customer_identifiers"
        " where kind = 'phone' and value like '+49%' limit 1"
    ).fetchone()
    assert row is not None
    for text in (f"0{row[0][3:6]} {row[0][6:]}", f"0049 {row[0][3:]}"):
        assert (row[1], "phone") in found(marketer, text)


def test_a_mailbox_is_found_by_another_of_its_spellings(settings: Settings) -> None:
    with warehouse.connect(str(settings.warehouse_url)) as connection:
        row = connection.execute(
            "select value, customer_id from identity.identifiers where kind = 'email' order by value limit 1"
        ).fetchone()
        assert row is not None
        connection.execute("insert into identity.email_forms values (%s, 'one@mailbox.example')", [row[0]])
        assert (row[1], "email") in found(connection, "one@mailbox.example")
        connection.rollback()


def test_a_name_is_found_by_its_beginning_either_way_round(
    marketer: psycopg.Connection, customers: list[dict[str, object]]
) -> None:
    named = [one for one in customers if one["first_name"] and one["last_name"]]
    one = named[0]
    for text in (
        f"{one['first_name']} {one['last_name']}".upper(),
        f"{one['last_name']}, {str(one['first_name'])[:2]}",
    ):
        assert (one["customer_id"], "name") in found(marketer, text)


def test_pages_of_names_give_everybody_once(
    marketer: psycopg.Connection, customers: list[dict[str, object]]
) -> None:
    def names(one: dict[str, object]) -> list[str]:
        both = [str(one[column] or "") for column in ("first_name", "last_name")]
        return [" ".join(order).strip().lower() for order in (both, both[::-1])]

    letter = "m"
    expected = {
        one["customer_id"] for one in customers if any(name.startswith(letter) for name in names(one))
    }
    assert len(expected) > search.PAGE
    seen: list[str] = []
    after = None
    while True:
        page = search.find(marketer, wanted.read(letter, {}), after)
        seen += [hit.customer_id for hit in page.hits]
        if page.after is None:
            break
        after = page.after
    assert len(seen) == len(set(seen))
    assert set(seen) == expected


@pytest.mark.parametrize("text", ["{{ env_var('X') }}", "%_'; DROP", "%_", " ".join(ODD)])
def test_what_looks_like_code_or_a_pattern_matches_itself_alone(
    marketer: psycopg.Connection, text: str
) -> None:
    assert found(marketer, text) == [("c_odd", "name")]


@pytest.mark.parametrize("text", ["_", "__", "%%", "\\", "'; select pg_sleep(9); --x"])
def test_and_matches_nobody_else(marketer: psycopg.Connection, text: str) -> None:
    assert found(marketer, text) == []


def test_search_and_page_read_by_index(marketer: psycopg.Connection) -> None:
    marketer.execute("set local enable_seqscan = off")
    for pattern in (
        "first_name, '') || ' ' || coalesce(last_name",
        "last_name, '') || ' ' || coalesce(first_name",
    ):
        plan = marketer.execute(
            f"""
            explain select customer_id from marts.customers
            where lower(btrim(coalesce({pattern}, ''))) collate "C" like 'mar%'
            """.encode()
        ).fetchall()
        assert "Index Cond" in str(plan)


def test_names_late_in_the_alphabet_are_found_without_reading_those_before(settings: Settings) -> None:
    with warehouse.connect(str(settings.warehouse_url)) as connection:
        connection.execute(
            """
            insert into marts.customers (customer_id, first_name, last_name, lifecycle_stage, order_count,
                reporting_currency, session_count, ticket_count, email_count)
            select 'c_' || number, 'Aaron', 'Baker ' || number, 'prospect', 0, 'EUR', 0, 0, 0
            from generate_series(1, 20000) as numbers (number)
            """
        )
        connection.execute("analyze marts.customers")
        for begins in ("Zzyzx", "Zzyzx Z"):
            plan = connection.execute(
                f"explain (analyze, buffers, format json) {search.BY_NAME}".encode(),
                {"begins": begins, "pattern": f"{begins}%", "after": None, "page": search.PAGE},
            ).fetchone()
            assert plan is not None
            read = plan[0][0]["Plan"]
            assert read["Shared Hit Blocks"] + read["Shared Read Blocks"] < 30
        connection.rollback()


def test_former_ids_lead_to_who_they_are_today(marketer: psycopg.Connection) -> None:
    today = profile.surviving(marketer, FORMER)
    assert today is not None
    assert found(marketer, FORMER) == [(today, "former_id")]
    assert profile.surviving(marketer, today) is None


def test_the_timeline_is_whole_and_in_order(marketer: psycopg.Connection) -> None:
    row = marketer.execute(
        "select customer_id, count(*) from marts.customer_timeline group by 1 order by 2 desc limit 1"
    ).fetchone()
    assert row is not None
    assert row[1] > 2 * timeline.PAGE
    for kind in (None, "order", "email"):
        expected = marketer.execute(
            """
            select touch_id from marts.customer_timeline
            where customer_id = %s and (%s::text is null or kind = %s)
            order by happened_at desc, touch_id desc
            """,
            [row[0], kind, kind],
        ).fetchall()
        shown: list[tuple[str]] = []
        after = None
        while True:
            part = timeline.read(marketer, row[0], masked=False, kind=kind, after=after)
            shown += [(touch.touch_id,) for _, touches in part.days for touch in touches]
            if part.after is None:
                break
            after = part.after
        assert shown == expected


def test_segments_are_those_of_the_memberships(marketer: psycopg.Connection) -> None:
    row = marketer.execute(
        "select customer_id, array_agg(segment) from segments.members"
        " group by 1 order by count(*) desc limit 1"
    ).fetchone()
    assert row is not None
    shown = profile.memberships(marketer, row[0])
    assert {one.segment for one in shown if one.left_at is None} == set(row[1])
    assert all(one.reason for one in shown)


def test_consents_and_what_stands_against_them(settings: Settings) -> None:
    with warehouse.connect(str(settings.warehouse_url)) as connection:
        row = connection.execute(
            """
            select identifiers.customer_id, consents.email, consents.topic, recipients.recipient_key,
                consents.confirmed_at
            from marts.consents
            inner join identity.identifiers
                on identifiers.kind = 'email' and identifiers.value = consents.email
            inner join activation.recipients on consents.email = recipients.email
            where is_granted and confirmed_at is not null and topic = 'news' limit 1
            """
        ).fetchone()
        assert row is not None
        customer_id, email, topic, key, confirmed_at = row

        def news() -> permissions.Permission:
            return next(
                one
                for one in permissions.read(connection, customer_id)
                if (one.email, one.topic) == (email, topic)
            )

        assert news().is_open
        for days, is_open in ((-1, True), (1, False)):
            connection.execute(
                """
                insert into activation.suppressions (recipient_key, topic, reason, suppressed_at)
                values (%s, 'all', 'bounced', %s + make_interval(days => %s))
                """,
                [key, confirmed_at, days],
            )
            assert news().is_open is is_open
        assert news().suppressed_because == "bounced"
        connection.rollback()


def test_messages_are_told_with_their_reasons(marketer: psycopg.Connection, settings: Settings) -> None:
    with warehouse.connect(str(settings.warehouse_url)) as connection:
        row = connection.execute(
            "select customer_id, count(*) from activation.messages group by 1 order by 2 desc limit 1"
        ).fetchone()
        skipped = connection.execute(
            "select customer_id from activation.messages where state_reason = 'no_consent' limit 1"
        ).fetchone()
    assert row is not None
    assert skipped is not None
    assert len(mails.history(marketer, row[0], masked=False).messages) == min(row[1], mails.PAGE)
    shown = mails.history(marketer, skipped[0], masked=False).messages
    assert "no address holds consent for the topic" in {message.what_became_of_it for message in shown}


def test_what_is_next_is_what_planning_everybody_says(settings: Settings) -> None:
    with warehouse.connect(str(settings.warehouse_url)) as connection:
        view = ledger.newest_view(connection)
        assert view is not None
        sample = [
            row[0]
            for row in connection.execute(
                """
                    select distinct customer_id
                    from (
                        select customer_id, segment,
                            row_number() over (partition by segment order by customer_id) as place
                        from segments.members
                    ) as placed
                    where place <= 3 and segment in ('abandoned_cart', 'at_risk', 'lapsed', 'new_customers')
                """
            )
        ]
        connection.rollback()
        # After the plan that has been made, which a dry run of the same moment would leave out of account.
        as_of = view.as_of + timedelta(hours=1)
        told = {}
        for customer_id in sample:
            told[customer_id] = outlook(connection, settings, customer_id, as_of)
            connection.rollback()
    slots = {one.campaign: one.slot_at for one in told[sample[0]]}
    compared = 0
    for campaign, slot in slots.items():
        (edition,) = dry_run(str(settings.warehouse_url), settings, slot, campaign, people=1_000) or (None,)
        everybody = {} if edition is None else {one.customer_id: one for one in edition.people}
        for customer_id in sample:
            mine = next(one for one in told[customer_id] if one.campaign == campaign)
            theirs = everybody.get(customer_id)
            if theirs is None:
                assert mine.state == NOT_CONSIDERED, (campaign, mine)
                continue
            reason = REASONS.get(theirs.state_reason or "")
            assert (mine.state, mine.reason, mine.due_at) == (theirs.state, reason, theirs.due_at)
            compared += 1
    assert compared >= 5


def test_who_is_not_considered_is_told_the_rule(settings: Settings) -> None:
    with warehouse.connect(str(settings.warehouse_url)) as connection:
        view = ledger.newest_view(connection)
        row = connection.execute(
            """
            select customer_id from marts.customers
            where customer_id <> 'c_odd' and not exists (
                select from segments.members
                where
                    members.customer_id = customers.customer_id
                    and segment in ('at_risk', 'lapsed', 'unhappy')
            )
            limit 1
            """
        ).fetchone()
        assert view is not None
        assert row is not None
        told = outlook(connection, settings, row[0], view.as_of)
        connection.rollback()
    win_back = next(one for one in told if one.campaign == "win_back")
    assert (win_back.state, win_back.reason) == (NOT_CONSIDERED, "is not in at_risk or lapsed")


# The routes, in a real server.


@pytest.fixture(scope="module")
def pages(
    postgres: EmbeddedPostgres, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pages]:
    yield from starting(postgres, str(settings.warehouse_url), tmp_path_factory.mktemp("customer_routes"))


@pytest.fixture(scope="module")
def one(customers: list[dict[str, object]]) -> dict[str, object]:
    """A customer of whom everything is known."""
    return next(
        row for row in customers if row["email"] and row["phone"] and row["first_name"] and row["order_count"]
    )


def searched(pages: Pages, who: str, text: str) -> Answer:
    return pages.post("/rapport/customers", {"q": text}, who, pages.form_token(who))


def test_a_marketer_finds_somebody_and_sees_them(
    pages: Pages, settings: Settings, one: dict[str, object]
) -> None:
    assert f"/customers/{one['customer_id']}" in searched(pages, "mia", str(one["email"])).text
    page = pages.get(f"/rapport/customers/{one['customer_id']}", "mia")
    assert page.status == 200
    for shown in (one["email"], one["phone"], one["last_name"]):
        assert str(shown) in page.text
    for part in ("timeline?kind=order", "evidence", "next"):
        answer = pages.get(f"/rapport/customers/{one['customer_id']}/{part}", "mia", HX_Request="true")
        assert answer.status == 200
        assert "<html" not in answer.text
    with warehouse.connect(str(settings.warehouse_url)) as connection:
        seen = connection.execute(
            "select count(*), count(distinct detail) from ops.page_audit"
            " where who = 'mia' and action = 'viewed customer' and subject = %s",
            [one["customer_id"]],
        ).fetchone()
    assert seen == (4, 4)


def test_without_a_script_the_parts_are_pages(pages: Pages, one: dict[str, object]) -> None:
    for part in ("evidence", "next"):
        assert "<html" in pages.get(f"/rapport/customers/{one['customer_id']}/{part}", "mia").text


def test_a_former_id_leads_to_who_they_are_today(pages: Pages) -> None:
    answer = pages.get(f"/rapport/customers/{FORMER}", "mia")
    assert answer.status == 303
    followed = pages.get(answer.headers["location"], "mia")
    assert followed.status == 200
    assert FORMER in followed.text


def test_a_viewer_finds_by_number_alone_and_sees_nothing_personal(
    pages: Pages, settings: Settings, one: dict[str, object]
) -> None:
    with warehouse.connect(str(settings.warehouse_url)) as connection:
        row = connection.execute(
            "select source, value from identity.identifiers"
            " where kind = 'customer_number' and customer_id = %s",
            [one["customer_id"]],
        ).fetchone()
        subjects = connection.execute(
            "select title from marts.customer_timeline where customer_id = %s and kind = 'ticket'",
            [one["customer_id"]],
        ).fetchall()
    assert row is not None
    handle = f"/rapport/customers/number:{row[0]}:{row[1]}"
    assert handle in searched(pages, "vera", row[1]).text
    for address in (handle, f"{handle}/timeline", f"{handle}?kind=ticket"):
        page = pages.get(address, "vera")
        assert page.status == 200
        personal = [
            one[name] for name in ("email", "phone", "first_name", "last_name", "city", "postal_code")
        ]
        for secret in [*personal, one["customer_id"], *(title for (title,) in subjects if ":" in title)]:
            assert secret is None or str(secret) not in page.text, secret
    for part in ("evidence", "next"):
        assert pages.get(f"{handle}/{part}", "vera").status == 403


def test_a_viewer_cannot_tell_whether_an_address_exists(
    pages: Pages, settings: Settings, one: dict[str, object]
) -> None:
    known = [str(one[name]) for name in ("email", "phone", "last_name", "customer_id")]
    unknown = ["nobody@nowhere.example", "+4915100000000", "Qqqqq", "c_ffffffffffffffffffff"]
    for there, not_there in zip(known, unknown, strict=True):
        answers = [searched(pages, "vera", text).text.replace(text, "") for text in (there, not_there)]
        assert _without_token(answers[0]) == _without_token(answers[1])
        for path in ("", "/timeline", "/messages?after=x"):
            opened = [
                pages.get(f"/rapport/customers/{quote(text)}{path}", "vera") for text in (there, not_there)
            ]
            assert [answer.status for answer in opened] == [404, 404]
            bodies = [
                answer.text.replace(text, "") for answer, text in zip(opened, (there, not_there), strict=True)
            ]
            assert _without_token(bodies[0]) == _without_token(bodies[1])


def _without_token(html: str) -> str:
    return re.sub(r'value="[^"]{40,}"|"X-Form-Token": "[^"]+"', "", html)


def test_a_search_needs_our_form(pages: Pages) -> None:
    answer = pages.post("/rapport/customers", {"q": "x"}, "mia")
    assert answer.status == 403


def test_nobody_gets_in_without_a_log_in(pages: Pages, one: dict[str, object]) -> None:
    for path in ("/customers", f"/customers/{one['customer_id']}", f"/customers/{one['customer_id']}/next"):
        assert pages.get(f"/rapport{path}").status == 401
