"""What is said of a file that lacks mapped columns."""

from collections.abc import Callable

import pytest

from rapport.errors import InputError
from rapport.sources.feed import Feed
from rapport.sources.mapped_columns import column_names, refuse_missing_columns

MAPPED = ["order", "at", "quantity", "price", "product"]
COLUMNS = dict(zip(["order_id", "ordered_at", "quantity", "unit_price", "product_id"], MAPPED, strict=True))


def said(feed: Feed, present: list[str]) -> str:
    with pytest.raises(InputError) as error:
        refuse_missing_columns(feed, "shop.csv", present)
    return str(error.value)


def test_a_vanished_column_is_named_once_with_what_is_there(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(COLUMNS)
    assert said(feed, ["order", "at", "amount", "Price", "product"]) == (
        "shop.csv: there is no column 'quantity', which shop maps to quantity; it has: order, at, amount, "
        "Price, product; there is no column 'price', which shop maps to unit_price; did you mean 'Price'?"
    )


def test_a_file_with_none_of_the_columns_is_told_so_without_showing_a_row(
    make_feed: Callable[..., Feed],
) -> None:
    sentence = said(make_feed(COLUMNS), ["1", "ann@example.com", "Ann"])
    assert sentence == (
        "shop.csv: it has none of the columns that shop maps (order, at, quantity, price, product), but 3 "
        "others. Is it the right one, and does a line of it name its columns (read.header_row)?"
    )


def test_an_address_in_a_header_is_masked(make_feed: Callable[..., Feed]) -> None:
    sentence = said(make_feed(COLUMNS), [*MAPPED[:4], "ann.lee@example.com", "x" * 99])
    assert "a***@e***.com" in sentence
    assert "x" * 61 not in sentence
    with pytest.raises(InputError, match=r"the column 'a\*\*\*@e\*\*\*.com' is named twice"):
        column_names(["ann@example.com"] * 2, "shop.csv, line 1")
