import json
from datetime import timedelta
from pathlib import Path

import pytest

from rapport.errors import ConfigurationError
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.schema import SCHEMA_FILE, source_schema
from rapport.streams import Mode

DESIGN = """
stream: order_lines
source: online_shop
mode: append
read:
  files: landing/orders/*.csv.gz
columns:
  order_id: InvoiceNo
  ordered_at: {column: InvoiceDate, time_zone: Europe/London}
  quantity: Quantity
  unit_price: UnitPrice
  customer_number: {column: CustomerID, strip_suffix: .0}
  currency: {value: GBP}
  country: {column: Country, map: {NO: Norway, 1: One}, otherwise: ""}
  line_id: {join: [session, order], separator: "-"}
  product_id: {hash: [a, b]}
freshness: {warn_after: 26h, error_after: 3d}
"""
MINIMAL = """
stream: web_events
read: {files: events.csv}
columns: {event_id: id, event_name: name, occurred_at: at}
"""


def write(settings: Settings, name: str, text: str) -> None:
    (settings.config / "sources" / name).write_text(text)


def mistakes(settings: Settings, text: str) -> str:
    write(settings, "shop.yml", text)
    with pytest.raises(ConfigurationError) as error:
        read_feeds(settings)
    return str(error.value)


def test_the_designs_example_is_read_as_it_is_written(offline: Settings) -> None:
    write(offline, "shop.yml", DESIGN)
    [feed] = read_feeds(offline)
    assert (feed.name, feed.source, feed.stream, feed.mode) == (
        "shop",
        "online_shop",
        "order_lines",
        Mode.APPEND,
    )
    assert feed.read.files == str(offline.config.parent / "landing/orders/*.csv.gz")
    assert feed.freshness is not None
    assert (feed.freshness.warn_after, feed.freshness.error_after) == (timedelta(hours=26), timedelta(days=3))
    assert feed.columns["customer_number"].strip_suffix == ".0"  # type: ignore[union-attr]
    assert feed.columns["country"].map == {"NO": "Norway", "1": "One"}  # type: ignore[union-attr]


def test_feeds_are_sorted_and_their_source_defaults_to_the_files_name(offline: Settings) -> None:
    write(offline, "b.yml", MINIMAL)
    write(offline, "a.yaml", MINIMAL)
    assert [(feed.name, feed.source) for feed in read_feeds(offline)] == [("a", "a"), ("b", "b")]


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (("mode: append", "mdoe: append"), ["mdoe: unknown key; did you mean mode?"]),
        (("files:", "fils:"), ["read.fils: unknown key; did you mean files?"]),
        (
            ("time_zone: E", "timezone: E"),
            ["columns.ordered_at.timezone: unknown key; did you mean time_zone?"],
        ),
        (("separator:", "seperator:"), ["columns.line_id.seperator: unknown key; did you mean separator?"]),
        (
            ("stream: order_lines", "stream: orderlines"),
            ["there is no stream orderlines; did you mean order_lines?"],
        ),
        (
            ("  quantity: Q", "  quantty: Q"),
            ["no column quantty; did you mean quantity?", "requires quantity"],
        ),
        (
            ("mode: append", "mode: versions"),
            ["order_lines cannot be delivered as versions; valid are: append"],
        ),
        (("mode: append", "mode: snapshto"), ["did you mean snapshot?"]),
        (("Europe/London", "Europe/Lodon"), ["no time zone Europe/Lodon; did you mean Europe/London?"]),
        (("26h", "26 hours"), ["freshness.warn_after: '26 hours' is no duration", "26h or 3d"]),
        (("error_after: 3d", "error_after: 2h"), ["warn_after is later than error_after"]),
        (("{column: InvoiceDate,", "{colum: InvoiceDate,"), ["colum: unknown key; did you mean column?"]),
        (
            ("files: landing/orders/*.csv.gz", "rest: {x: 1}"),
            ["read.rest.x: unknown key", "resources"],
        ),
        (
            ("files: landing/orders/*.csv.gz", "database: {conection: shop_db}"),
            ["read.database.conection: unknown key; did you mean connection?"],
        ),
        (
            ("*.csv.gz", "*.csv.gz\n  encoding: latn-1"),
            ["there is no encoding latn-1; did you mean latin-1?"],
        ),
        (("*.csv.gz", "*.csv.gz\n  delimiter: ';;'"), ["read.delimiter: ';;' is no delimiter"]),
        (
            ("landing/", "$NO_SUCH_FOLDER/"),
            ["read.files: the environment variable $NO_SUCH_FOLDER is not set"],
        ),
        (
            ("quantity: Quantity", "quantity: {column: Q, format: '%d'}"),
            ["only times and dates have a format"],
        ),
        (("time_zone: Europe/London", "format: 'd/m'"), ["'d/m' is no strptime format"]),
        (
            ("currency: {value: GBP}", "line_kind: {value: prodct}"),
            ["cannot be 'prodct'; did you mean product?"],
        ),
        (("time_zone: Europe/London", "ambiguous: second"), ["ordered_at.ambiguous: it is about the clocks"]),
        (
            ("Europe/London", "Europe/London, ambiguous: secnd"),
            ["columns.ordered_at.ambiguous: 'secnd' is not known; did you mean second?"],
        ),
        (
            ("{column: CustomerID,", "{column: CustomerID, scale: 2,"),
            ["customer_number is text, and only num"],
        ),
        (("quantity: Quantity", "quantity: {column: Q, decimal: ';'}"), ["decimal: ';' is no decimal sign"]),
        (("quantity: Quantity", "quantity: {column: Q, thousands: x}"), ["'x' stands between no thousands"]),
        (("quantity: Quantity", "quantity: {column: Q, thousands: .}"), ["it is the decimal sign too"]),
        (
            ("quantity: Quantity", "quantity: {column: Q, scale: 0}"),
            ["scale: '0' is no number to multiply by"],
        ),
        (
            ("quantity: Quantity", "quantity: {column: Q, scal: 1}"),
            ["scal: unknown key; did you mean scale?"],
        ),
        (("map: {NO: Norway, 1: One}, ", ""), ["columns.country.otherwise", "there is no map"]),
        (("  quantity: Q", "  order_id: Q"), ["line 10", "the key order_id stands twice"]),
        (("{value: GBP}", "{value: GBP"), ["line 14", "this is not YAML"]),
    ],
)
def test_each_mistake_names_its_key_and_what_is_right(
    offline: Settings, change: tuple[str, str], sentences: list[str]
) -> None:
    assert change[0] in DESIGN
    said = mistakes(offline, DESIGN.replace(*change))
    assert "shop.yml" in said
    for sentence in sentences:
        assert sentence in said


def test_versions_need_a_column_that_orders_them(offline: Settings) -> None:
    said = mistakes(offline, "stream: orders\nread: {files: x.csv}\ncolumns: {order_id: a, ordered_at: b}")
    assert "mode versions needs a column that orders the versions: map updated_at" in said


def test_a_snapshot_needs_the_whole_key(offline: Settings) -> None:
    text = DESIGN.replace("mode: append", "mode: snapshot").replace(
        '  line_id: {join: [session, order], separator: "-"}\n', ""
    )
    assert "mode snapshot needs the column that names the record: map line_id" in mistakes(offline, text)


def test_every_mistake_in_every_file_is_found_in_one_pass(offline: Settings) -> None:
    write(offline, "a.yml", MINIMAL.replace("stream", "straem"))
    write(offline, "b.yml", MINIMAL.replace("event_id", "evnt_id").replace("read:", "raed:"))
    write(offline, "c.yml", "")
    said = mistakes(offline, DESIGN.replace("GBP}", "GBP, x: 1}").replace("26h", "x"))
    for expected in (
        "a.yml: straem",
        "b.yml: raed",
        "evnt_id",
        "c.yml",
        "currency.x",
        "freshness.warn_after",
    ):
        assert expected in said


def test_a_missing_folder_is_a_sentence(offline: Settings) -> None:
    (offline.config / "sources").rmdir()
    with pytest.raises(ConfigurationError, match=r"there is no folder .*config/sources; .*RAPPORT_CONFIG"):
        read_feeds(offline)


def test_paths_know_the_home_and_urls_stay_as_they_are(offline: Settings) -> None:
    write(offline, "a.yml", MINIMAL.replace("events.csv", "$RAPPORT_HOME/landing/x.csv"))
    write(offline, "b.yml", MINIMAL.replace("events.csv", "s3://bucket/x.csv"))
    files = [feed.read.files for feed in read_feeds(offline)]
    assert files == [str(offline.home / "landing/x.csv"), "s3://bucket/x.csv"]


def test_the_mapping_hash_follows_what_changes_rows_and_nothing_else(offline: Settings) -> None:
    def hash_of(text: str) -> str:
        write(offline, "shop.yml", text)
        return read_feeds(offline)[0].mapping_hash

    first = hash_of(DESIGN)
    assert hash_of(DESIGN.replace("landing/", "elsewhere/").replace("26h", "27h")) == first
    assert hash_of(DESIGN.replace("order_id: InvoiceNo", "order_id: {column: InvoiceNo}")) == first
    changed = [
        hash_of(DESIGN.replace(*change))
        for change in (
            ("GBP", "EUR"),
            ("Europe/London", "Europe/Paris"),
            ("source: online_shop", "source: other"),
            ("mode: append", "mode: replace_order"),
            ("[a, b]", "[b, a]"),
            ("*.csv.gz", "*.csv.gz\n  delimiter: ;"),
        )
    ]
    assert len({first, *changed}) == 7


def test_the_json_schema_for_editors_is_current() -> None:
    assert json.loads(Path(SCHEMA_FILE).read_text()) == source_schema(), (
        "run: python -m rapport.sources.schema"
    )


def test_the_json_schema_accepts_the_designs_example() -> None:
    import jsonschema
    import yaml

    jsonschema.validate(
        yaml.safe_load(DESIGN.replace("NO:", "'NO':").replace("1: One", "'1': One")), source_schema()
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            yaml.safe_load(DESIGN.replace("Quantity", "{colum: x}").replace("NO:", "'NO':")), source_schema()
        )
