"""The three logs of ../shared/data/real_shop as frames, read with pandas and nothing of Rapport's."""

from decimal import Decimal
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "real_shop"


def read_order_lines(as_of: pd.Timestamp | None = None) -> pd.DataFrame:
    """The order lines before `as_of`, in the file's order; price and amount in whole thousandths of a pound.

    Columns: order_id, product_id, at (UTC), quantity, price, amount, customer ('' where none), email.
    """
    lines = _read("orders.csv.gz")
    local = pd.to_datetime(lines["InvoiceDate"], format="%Y-%m-%d %H:%M:%S")
    price = lines["UnitPrice"].map(lambda text: int(Decimal(text) * 1000))
    quantity = lines["Quantity"].astype("int64")
    frame = pd.DataFrame(
        {
            "order_id": lines["InvoiceNo"],
            "product_id": lines["StockCode"],
            "at": local.dt.tz_localize("Europe/London").dt.tz_convert("UTC"),
            "quantity": quantity,
            "price": price,
            "amount": price * quantity,
            "customer": lines["CustomerID"].str.removesuffix(".0"),
            "email": lines["Email"].str.strip().str.lower(),
        }
    )
    return _before(frame, as_of)


def read_events(as_of: pd.Timestamp | None = None) -> pd.DataFrame:
    """The clicks before `as_of`. Columns: at (UTC), device, email ('' where none), source_session."""
    events = _read("web_events.csv.gz")
    frame = pd.DataFrame(
        {
            "at": pd.to_datetime(events["occurred_at"], format="%Y-%m-%dT%H:%M:%SZ", utc=True),
            "device": events["anonymous_id"],
            "email": events["email"].str.strip().str.lower(),
            "source_session": events["session ID"],
        }
    )
    return _before(frame, as_of)


def read_ticket_log(as_of: pd.Timestamp | None = None) -> pd.DataFrame:
    """The updates of tickets before `as_of`, each ticket's by time, then by the source's own number.

    Columns: ticket, at (UTC), update, state, opened_at, reopened and reassigned (the source's own counts),
    resolved_at, team, assignee, caller ('' where unknown), email.
    """
    log = _read("support_ticket_log.csv.gz")
    frame = pd.DataFrame(
        {
            "ticket": log["number"],
            "at": _minute(log["sys_updated_at"]),
            "update": log["sys_mod_count"].astype("int64"),
            "state": log["ident_state"],
            "opened_at": _minute(log["opened_at"]),
            "team": log["assignment_group"].replace("?", ""),
            "assignee": log["assigned_to"].replace("?", ""),
            "reassigned": log["reassignment_count"].astype("int64"),
            "reopened": log["reopen_count"].astype("int64"),
            "resolved_at": _minute(log["resolved_at"].where(log["resolved_at"] != "?")),
            "caller": log["caller_id"].replace("?", ""),
            "email": log["caller_email"].str.strip().str.lower(),
        }
    )
    return _before(frame, as_of).sort_values(["ticket", "at", "update"], kind="stable")


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name, dtype="str", keep_default_na=False)


def _minute(text: pd.Series) -> pd.Series:
    return pd.to_datetime(text, format="%d/%m/%Y %H:%M", utc=True)


def _before(frame: pd.DataFrame, as_of: pd.Timestamp | None) -> pd.DataFrame:
    return frame if as_of is None else frame[frame["at"] < as_of]
