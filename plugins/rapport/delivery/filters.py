"""The filters of mails that are Rapport's own, and a guard for Jinja's."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any

from rapport.delivery.faults import EMPTY, RenderError

_WEB_ADDRESS = re.compile(r"https?://[^\s<>\"'`\\]+")
_CENT = Decimal("0.01")
# English whatever the locale of this process.
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def money(value: Any, currency: str = "") -> str:
    """1234.5 → `1,234.50`, with the currency's code after it where one is given."""
    try:
        amount = (value if type(value) is Decimal else Decimal(str(value))).quantize(_CENT)
    except InvalidOperation:
        raise RenderError("the filter money was given something that is no number") from None
    return f"{amount:,} {currency}".rstrip()


def number(value: Any) -> str:
    """1234.50 → `1,234.5`; what is whole stays whole."""
    try:
        return f"{Decimal(str(value)).normalize():,f}"
    except InvalidOperation:
        raise RenderError("the filter number was given something that is no number") from None


def day(value: Any) -> str:
    """A date or time, or its ISO 8601 text, → `3 July 2026`."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise RenderError("the filter date was given something that is no date") from None
    if not isinstance(value, date):
        raise RenderError("the filter date was given something that is no date")
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def web_address(value: Any) -> str:
    """The value if it is an http(s) address, so that data can never become a script."""
    if not isinstance(value, str) or not _WEB_ADDRESS.fullmatch(value):
        raise RenderError("the filter url was given something that is no http(s) address")
    return value


def of_something(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The filter, but for nothing: Jinja's own would write the word None."""
    if name in ("d", "default"):
        return function

    @wraps(function)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        if args[-1] is None or args[0] is None:
            raise RenderError(EMPTY)
        return function(*args, **kwargs)

    return filtered


OWN_FILTERS: dict[str, Callable[..., Any]] = {
    "money": money,
    "number": number,
    "date": day,
    "url": web_address,
}
