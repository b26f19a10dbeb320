"""The truth beside the feeds is true: counted and joined again from the files alone."""

from collections.abc import Iterator

import pandas as pd
import phonenumbers
import pytest
from written_shop import WrittenShop

from rapport.demo.shop import FEEDS

# Where the feeds show identifiers: feed, column, column of people.csv.
SHOWN = (
    ("orders", "email", "emails"),
    ("orders", "phone", "phones"),
    ("orders", "customer", "customer_numbers"),
    ("web_events", "email", "emails"),
    ("ticket_versions", "email", "emails"),
    ("ticket_versions", "phone", "phones"),
    ("survey_responses", "email", "emails"),
    ("contacts", "contact", "contact_ids"),
    ("contacts", "email", "emails"),
    ("contacts", "phone", "phones"),
    ("consents", "email", "emails"),
)


def _plain(rows: pd.DataFrame, column: str) -> pd.Series:
    """The identifiers as a careful reader would write them; null where there is none."""
    values = rows[column].fillna("")
    if column == "email":
        values = values.str.strip().str.lower()
    elif column == "customer":
        values = values.str.removesuffix(".0")
    elif column == "phone":
        numbers = {pair: _e164(*pair) for pair in set(zip(values, rows["country"], strict=True))}
        values = pd.Series([numbers[pair] for pair in zip(values, rows["country"], strict=True)], rows.index)
    return values.where(~values.isin(["", "?", "n/a"]))


def _e164(written: str, country: str) -> str:
    if written in ("", "?"):
        return ""
    parsed = phonenumbers.parse(written, country)
    assert phonenumbers.is_valid_number(parsed), (written, country)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@pytest.mark.parametrize("feed", FEEDS)
def test_row_counts_are_those_of_the_files(shop: WrittenShop, feed: str) -> None:
    assert len(shop.feed(feed)) == shop.truth.feeds[feed].rows
    assert len(list((shop.folder / feed).iterdir())) == shop.truth.feeds[feed].files


def test_every_identifier_in_the_feeds_has_one_owner(shop: WrittenShop) -> None:
    for feed, column, kind in SHOWN:
        shown = set(_plain(shop.feed(feed), column).dropna())
        assert shown
        assert shown <= shop.owner_of(kind).keys(), (feed, column)


def test_the_truth_names_no_identifier_that_the_feeds_do_not_show(shop: WrittenShop) -> None:
    for kind in {kind for *_, kind in SHOWN}:
        shown = {
            value
            for feed, column, of_kind in SHOWN
            if of_kind == kind
            for value in _plain(shop.feed(feed), column).dropna()
        }
        assert shown == shop.owner_of(kind).keys()


def test_the_identifiers_of_one_row_have_the_same_owner(shop: WrittenShop) -> None:
    for feed in {feed for feed, *_ in SHOWN}:
        rows = shop.feed(feed)
        owners = [
            _plain(rows, column).map(shop.owner_of(kind))
            for of_feed, column, kind in SHOWN
            if of_feed == feed
        ]
        table = pd.concat(owners, axis=1)
        assert (table.nunique(axis=1) <= 1).all(), feed


def test_devices_are_known_by_their_identifying_clicks_alone(shop: WrittenShop) -> None:
    events = shop.feed("web_events")
    known = events[events["email"].notna()]
    assert set(known["event"].dropna()) == {"log_in", "purchase", "newsletter_signup"}
    owners = shop.owner_of("devices")
    assert set(known["device"]) == owners.keys()
    emails = shop.owner_of("emails")
    assert (known["device"].map(owners) == _plain(known, "email").map(emails)).all()
    assert events["device"].nunique() > 1.5 * len(owners), "anonymous visitors are missing"
    assert shop.people()["devices"].str.contains(" ").sum() > 50, "nobody has two devices"


def test_most_people_can_be_put_together_again(shop: WrittenShop) -> None:
    """Identifiers in one row belong together; through them at least 97 % of the people are one piece."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for node, other in _pairs(shop):
        parent[root(node)] = root(other)
    pieces = [
        len({root(f"{kind}:{value}") for *_, kind in SHOWN for value in person[kind].split()})
        for _, person in shop.people().iterrows()
    ]
    assert pieces.count(1) / len(pieces) > 0.97


def _pairs(shop: WrittenShop) -> Iterator[tuple[str, str]]:
    for feed in {feed for feed, *_ in SHOWN}:
        rows = shop.feed(feed)
        columns = [kind + ":" + _plain(rows, column) for of_feed, column, kind in SHOWN if of_feed == feed]
        if feed == "web_events":
            columns.append("devices:" + rows["device"].where(rows["email"].notna()))
        for position, one in enumerate(columns):
            for other in columns[position + 1 :]:
                both = pd.concat([one, other], axis=1).dropna().drop_duplicates()
                yield from both.itertuples(index=False)


def test_duplicates_are_exact_and_counted(shop: WrittenShop) -> None:
    events = shop.feed("web_events")
    events["properties"] = events["properties"].astype(str)
    whole = events[events["event"].notna() & (events["at"] != "yesterday") & (events["value"] != "much")]
    assert whole.duplicated().sum() == shop.truth.feeds["web_events"].duplicates
    assert whole["id"].duplicated().sum() == whole.duplicated().sum()
    lines = shop.feed("order_lines")
    broken = lines["order"].eq("") | ~lines["pieces"].str.fullmatch(r"-?\d+") | lines["price"].eq("n/a")
    broken |= lines["placed"].str.contains("-13-")
    assert broken.sum() == shop.truth.feeds["order_lines"].broken
    assert lines[~broken].duplicated().sum() == shop.truth.feeds["order_lines"].duplicates > 0
    assert lines[~broken].drop_duplicates().duplicated(["order", "line"]).sum() == 0


def test_amounts_are_the_sums_of_the_lines_and_of_the_headers(shop: WrittenShop) -> None:
    lines = shop.feed("order_lines").drop_duplicates()
    lines["amount"] = pd.to_numeric(lines["pieces"], errors="coerce") * pd.to_numeric(
        lines["price"], errors="coerce"
    )
    lines = lines[(lines["order"] != "") & lines["amount"].notna() & ~lines["placed"].str.contains("-13-")]
    bought = lines[pd.to_numeric(lines["pieces"]) > 0]
    assert round(bought["amount"].sum() * 100) == shop.truth.gross_cents
    returned = lines[pd.to_numeric(lines["pieces"]) < 0]
    assert round(returned["amount"].sum() * 100) == shop.truth.returned_cents < 0
    assert bought["order"].nunique() == shop.truth.orders
    headers = shop.feed("orders")
    headers["total"] = pd.to_numeric(headers["total"], errors="coerce")
    headers = headers[headers["number"] != ""].dropna().drop_duplicates("number").set_index("number")
    assert (headers["total"] - bought.groupby("order")["amount"].sum()).abs().max() < 0.005


def test_who_has_stopped_orders_nothing_afterwards(shop: WrittenShop) -> None:
    stopped = pd.read_csv(shop.folder / "truth" / "stopped.csv").set_index("person_id")["stopped_at"]
    stopped = pd.to_datetime(stopped)
    assert len(stopped) == shop.truth.stopped
    orders = shop.feed("orders")
    orders = orders[orders["number"] != ""]
    placed = pd.to_datetime(orders["placed"], errors="coerce", format="%Y-%m-%d %H:%M:%S")
    person = _plain(orders, "customer").map(shop.owner_of("customer_numbers"))
    last = placed.dt.tz_localize("Europe/Berlin").groupby(person).max()
    both = pd.concat([last.rename("last"), stopped.rename("stopped")], axis=1).dropna()
    assert len(both) > 100
    assert (both["last"] <= both["stopped"]).all()
