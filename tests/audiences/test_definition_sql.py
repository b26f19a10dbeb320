"""Definitions as queries: the page's count is what a run builds, the model's SQL gives the same members."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import jinja2
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiences import hand_made_shop
from audiences.hand_made_shop import AS_OF, DROP, HOSTILE
from chosen_postgres import a_warehouse
from rapport.audiences import estimates, stored_definitions
from rapport.audiences.behaviours import BEHAVIOURS
from rapport.audiences.customer_columns import (
    TESTS,
    WHO_SOMEBODY_IS,
    Catalogue,
    mistakes_in,
    read_catalogue,
    read_columns,
)
from rapport.audiences.definition import ARGUMENTS, NARROWED_BY, Definition, read_definition
from rapport.audiences.definition_sql import Range, count_query, members_query, model_text
from rapport.audiences.memberships import record_memberships
from rapport.embedded_postgres import EmbeddedPostgres

TEXTS = [
    "DE",
    "de",
    "k",
    "50%_off\\",
    "news",
    "Tea",
    "nps",
    "email",
    "shop:P1",
    HOSTILE,
    DROP,
    "{% raw %}",
    "{{",
]
KINDS: dict[str, Any] = {
    "country": "text",
    "city": "text",
    "net_revenue": "money",
    "net_amount": "money",
    "has_unconverted_revenue": "boolean",
    "order_count": "number",
    "last_order_at": "date",
    "email_topics": "list",
}


@pytest.fixture(scope="module")
def shop(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    with a_warehouse(postgres, template) as url:
        hand_made_shop.make(url)
        yield url


@pytest.fixture(scope="module")
def connection(shop: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shop, autocommit=True, options="-c timezone=UTC") as session:
        yield session


@pytest.fixture(scope="module")
def catalogue(connection: psycopg.Connection) -> Catalogue:
    return read_columns(connection)


def columns() -> st.SearchStrategy[dict[str, Any]]:
    texts, days = st.sampled_from(TEXTS), st.integers(1, 500)
    arguments: dict[str, Any] = {
        "value": texts,
        "values": st.lists(texts, min_size=1, max_size=3),
        "days": days,
        "day": st.dates(date(2025, 1, 1), date(2026, 8, 1)).map(str),
    }

    @st.composite
    def condition(draw: st.DrawFn) -> dict[str, Any]:
        name = draw(st.sampled_from([*KINDS, *WHO_SOMEBODY_IS]))
        kind = KINDS.get(name)
        test = draw(st.sampled_from(TESTS[kind] if kind else ("known", "unknown")))
        content = {"column": name, "test": test}
        argument = ARGUMENTS.get(test)
        if argument is not None:
            of = st.sampled_from(["-5", "0", "1", "99.999", "120.5", "1e2"])
            content[argument] = draw(of if kind in ("money", "number") else arguments[argument])
        if kind == "money" and (argument or name == "net_amount"):
            content["currency"] = (
                draw(st.sampled_from(["GBP", "USD", "SEK"])) if name == "net_amount" else "EUR"
            )
        return content

    return condition()


@st.composite
def behaviours(draw: st.DrawFn) -> dict[str, Any]:
    did = draw(st.sampled_from(list(BEHAVIOURS)))
    content: dict[str, Any] = {
        "did": did,
        "times": draw(st.sampled_from(["at_least", "at_most", "exactly"])),
        "count": draw(st.integers(0, 4)),
    }
    match draw(st.integers(0, 2)):
        case 1:
            content["within_days"] = draw(st.sampled_from([1, 4, 9, 30, 100, 484]))
        case 2:
            content["since"] = draw(st.sampled_from(["2025-06-01", "2026-06-22", "2026-06-30"]))
    if did in NARROWED_BY and (did == "buy" or draw(st.booleans())):
        content["which_is"] = draw(st.sampled_from(NARROWED_BY[did]))
        content["which"] = draw(st.sampled_from(TEXTS))
    return content


def groups(depth: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    leaves = columns() | behaviours()
    parts = leaves if depth == 1 else leaves | groups(depth - 1)
    return st.fixed_dictionaries(
        {"match": st.sampled_from(["all", "any"]), "conditions": st.lists(parts, min_size=1, max_size=3)}
    )


def each_alone() -> Iterator[dict[str, Any]]:
    """Every operator of every kind of column, and every behaviour, once."""
    given = {"value": "1", "values": [HOSTILE, "DE"], "days": 30, "day": "2026-06-01"}
    for name, kind in KINDS.items():
        for test in TESTS[kind]:
            argument = ARGUMENTS.get(test)
            condition = {"column": name, "test": test, **({argument: given[argument]} if argument else {})}
            if kind == "money" and (argument or name == "net_amount"):
                condition["currency"] = "GBP" if name == "net_amount" else "EUR"
            yield condition
    for did in BEHAVIOURS:
        for times in ("at_least", "at_most", "exactly"):
            for which_is in NARROWED_BY.get(did, (None,)):
                yield {
                    "did": did, "times": times, "count": 1, "within_days": 400,
                    **({"which_is": which_is, "which": HOSTILE} if which_is else {}),
                }  # fmt: skip


def defined(content: dict[str, Any], catalogue: Catalogue) -> Definition:
    definition = read_definition(content)
    assert isinstance(definition, Definition), definition
    assert mistakes_in(definition, catalogue) == []
    return definition


def members(connection: psycopg.Connection, definition: Definition, catalogue: Catalogue) -> list[Any]:
    query, parameters = members_query(definition, catalogue, AS_OF)
    return sorted(connection.execute(query, parameters).fetchall())


def as_dbt_would(text: str) -> str:
    """The model's text through Jinja, with stand-ins for what dbt and our macros give it."""
    return (
        jinja2.Environment(undefined=jinja2.StrictUndefined)
        .from_string(text)
        .render(
            ref=lambda name: f"marts.{name}",
            before_as_of=lambda days: (
                f"cast('{AS_OF.isoformat()}' as timestamptz) - interval '{24 * days} hours'"
            ),
        )
    )


def test_the_count_equals_what_is_built_for_every_operator(
    shop: str, connection: psycopg.Connection, catalogue: Catalogue
) -> None:
    wanted = {f"s{number}": condition for number, condition in enumerate(each_alone())}
    counted = {}
    for name, condition in wanted.items():
        definition = defined({"match": "all", "conditions": [condition]}, catalogue)
        stored_definitions.save(connection, name, definition, based_on=None, comment="", who="mia", taken=[])
        counted[name] = estimates.exact(connection, definition, catalogue, AS_OF).members
    sizes = record_memberships(shop, hand_made_shop.run(shop), [])
    assert sizes == counted
    assert len({*counted.values()}) == len(hand_made_shop.PEOPLE) + 1  # none to all of them


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=groups())
def test_count_members_and_model_agree(
    connection: psycopg.Connection, catalogue: Catalogue, content: dict[str, Any]
) -> None:
    definition = defined(content, catalogue)
    found = members(connection, definition, catalogue)
    assert estimates.exact(connection, definition, catalogue, AS_OF).members == len(found)
    assert all(reason for _, reason in found)
    text = as_dbt_would(model_text(definition, catalogue, "{{ hostile }}"))
    assert sorted(connection.execute(text.encode()).fetchall()) == found
    lower, upper = Range("c_", "c_8"), Range("c_8", "c_g")
    parts = [
        connection.execute(*count_query(definition, catalogue, AS_OF, part)).fetchone()
        for part in (lower, upper)
    ]
    assert sum(part[0] for part in parts if part) == len(found)


def one(condition: dict[str, Any], connection: psycopg.Connection, catalogue: Catalogue) -> list[str]:
    definition = defined({"match": "all", "conditions": [condition]}, catalogue)
    return [customer for customer, _ in members(connection, definition, catalogue)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"column": "country", "test": "equals", "value": HOSTILE}, ["c_9d"]),
        ({"column": "country", "test": "one_of", "values": [DROP, "AT"]}, ["c_3b", "c_ce"]),
        ({"column": "country", "test": "none_of", "values": [DROP, HOSTILE]}, ["c_0a", "c_3b", "c_ff"]),
        ({"column": "country", "test": "unknown"}, ["c_6c"]),
        ({"column": "city", "test": "contains", "value": "ÖLN"}, ["c_0a", "c_ff"]),
        ({"column": "city", "test": "contains", "value": "%_"}, ["c_9d"]),
        ({"column": "city", "test": "starts_with", "value": "'; DROP"}, ["c_6c"]),
        (
            {"column": "net_revenue", "test": "at_least", "value": "99.999", "currency": "EUR"},
            ["c_0a", "c_ce", "c_ff"],
        ),
        ({"column": "net_revenue", "test": "unknown"}, ["c_6c"]),
        ({"column": "net_amount", "test": "at_most", "value": "-1", "currency": "USD"}, ["c_3b"]),
        ({"column": "last_order_at", "test": "within_days", "days": 7}, ["c_0a", "c_ce", "c_ff"]),
        ({"column": "last_order_at", "test": "before_days", "days": 7}, ["c_6c", "c_9d"]),
        ({"column": "email_topics", "test": "has", "value": "{{ 1 }}"}, ["c_9d"]),
        ({"column": "email_topics", "test": "has_not", "value": "news"}, ["c_3b", "c_9d", "c_ce"]),
        ({"column": "email", "test": "unknown"}, ["c_3b", "c_ce"]),
        ({"did": "order", "times": "exactly", "count": 0}, ["c_ff"]),
        ({"did": "order", "within_days": 1}, ["c_0a", "c_3b"]),  # the edge of the window is in it
        ({"did": "ticket", "times": "at_least", "count": 5}, ["c_0a", "c_3b", "c_6c", "c_9d"]),
        ({"did": "visit", "which_is": "channel", "which": DROP, "within_days": 1}, ["c_3b"]),
        ({"did": "mailed", "within_days": 40}, ["c_3b", "c_9d"]),
    ],
)  # fmt: skip
def test_who_is_in(
    connection: psycopg.Connection, catalogue: Catalogue, condition: dict[str, Any], expected: list[str]
) -> None:
    assert one(condition, connection, catalogue) == expected


def test_reasons_tell_what_holds_but_nothing_personal(
    connection: psycopg.Connection, catalogue: Catalogue
) -> None:
    definition = defined(
        {
            "match": "all",
            "conditions": [
                {"column": "city", "test": "contains", "value": "ln"},
                {"column": "net_revenue", "test": "at_least", "value": "1", "currency": "EUR"},
                {
                    "match": "any",
                    "conditions": [
                        {"did": "order", "within_days": 1},
                        {"column": "country", "test": "equals", "value": "DE"},
                    ],
                },
            ],
        },
        catalogue,
    )
    assert members(connection, definition, catalogue) == [
        ("c_0a", "city fits; net revenue 120.50 EUR; 1 order in the last 1 day; country DE"),
        ("c_ff", "city fits; net revenue 1000.00 EUR; country DE"),
    ]


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ({"column": "country", "test": "equals"}, "equals takes value"),
        ({"column": 'x"; --', "test": "known"}, "pattern"),
        ({"column": "a", "test": "known", "sql": "1"}, "not permitted"),
        ({"did": "order", "within_days": 3, "since": "2026-01-01"}, "either"),
        ({"did": "order", "count": "3"}, "whole number"),
        ({"did": "order", "which_is": "channel", "which": "x"}, "not narrowed"),
        ({"column": "country", "test": "equals", "value": "\0"}, "pattern"),
        ({"did": "dance"}, "Input should be"),
        ("1 = 1", ""),
    ],
)
def test_the_grammar_is_closed(condition: Any, sentence: str) -> None:
    read = read_definition({"match": "all", "conditions": [condition]})
    assert isinstance(read, list)
    assert sentence in "; ".join(mistake.sentence for mistake in read)


def test_a_definition_has_a_size() -> None:
    for count, sentence in ((0, "add a condition"), (31, "at most 30")):
        read = read_definition({"match": "all", "conditions": [{"did": "visit"}] * count})
        assert isinstance(read, list)
        assert sentence in read[0].sentence
    half = {"match": "any", "conditions": [{"did": "visit"}] * 16}
    read = read_definition({"match": "all", "conditions": [half, half]})
    assert isinstance(read, list)
    assert "32 conditions" in read[0].sentence
    assert isinstance(read_definition("select 1"), list)


def test_groups_have_a_depth() -> None:
    content: dict[str, Any] = {"did": "visit"}
    for level in range(3):
        content = {"match": "any", "conditions": [content]}
        assert isinstance(read_definition(content), Definition), level
    deeper = {"match": "all", "conditions": [content]}
    for _ in range(2000):
        deeper = {"match": "all", "conditions": [deeper]}
    for too_deep in ({"match": "all", "conditions": [content]}, deeper):
        read = read_definition(too_deep)
        assert isinstance(read, list)
        assert "3 deep" in read[0].sentence


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ({"column": "contry", "test": "known"}, "customers have no column contry; did you mean country?"),
        ({"column": "customer_id", "test": "known"}, "no column customer_id"),
        ({"column": "email", "test": "equals", "value": "ann@home.example"}, "says who somebody is"),
        ({"column": "order_count", "test": "at_least", "value": "many"}, "many is no number"),
        ({"column": "order_count", "test": "at_least", "value": "NaN"}, "no number"),
        ({"column": "order_count", "test": "contains", "value": "1"}, "cannot be asked contains"),
        ({"column": "net_revenue", "test": "at_least", "value": "1"}, "say in which currency"),
        (
            {"column": "net_revenue", "test": "at_least", "value": "1", "currency": "GBP"},
            "in EUR and not in GBP",
        ),
        ({"column": "country", "test": "equals", "value": "DE", "currency": "EUR"}, "no money"),
        ({"did": "buy"}, "which product or category"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_customers(
    catalogue: Catalogue, condition: dict[str, Any], sentence: str
) -> None:
    definition = read_definition({"match": "all", "conditions": [condition]})
    assert isinstance(definition, Definition)
    (mistake,) = mistakes_in(definition, catalogue)
    assert mistake.place == (0,)
    assert sentence in mistake.sentence


def test_known_values_are_offered(connection: psycopg.Connection) -> None:
    offered = read_catalogue(connection)
    assert offered.columns["country"].kind == "choice"
    assert "AT" in offered.columns["country"].values
    assert offered.columns["city"].values == ()  # personal
    assert offered.currencies == ("GBP", "USD")
    assert offered.products == {"shop:P0": "Pot"}


def test_a_sample_tells_its_error(connection: psycopg.Connection, catalogue: Catalogue) -> None:
    definition = defined({"match": "all", "conditions": [{"did": "order"}]}, catalogue)
    exact = estimates.estimate(connection, definition, catalogue, AS_OF)
    assert exact == estimates.Estimate(5, 6)
    assert exact.is_exact
    sampled = estimates.estimate(connection, definition, catalogue, AS_OF, exact_below=0, most=3)
    assert not sampled.is_exact
    assert sampled.share == 0.5
    assert abs(sampled.members - 5) <= sampled.error


def test_the_error_of_a_sample_holds_in_19_of_20() -> None:
    assert estimates.extrapolated(124, 10_000, 1_000_000) == estimates.Estimate(
        12_000, 1_000_000, 2_000, 0.01
    )
    nobody = estimates.extrapolated(0, 10_000, 1_000_000)
    assert nobody.members == 0
    assert 200 <= nobody.error <= 400


def test_nothing_of_a_value_is_text_of_the_query(catalogue: Catalogue) -> None:
    definition = defined(
        {"match": "all", "conditions": [{"column": "country", "test": "one_of", "values": [DROP, HOSTILE]}]},
        catalogue,
    )
    query, parameters = members_query(definition, catalogue, AS_OF)
    assert "drop" not in query.as_string(None)
    assert [DROP, HOSTILE] in parameters.values()
    assert not re.search(r"\{[{%#](?!\s*(ref|before_as_of)\()", model_text(definition, catalogue, HOSTILE))
