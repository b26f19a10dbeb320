"""Shopify's REST Admin API."""

import base64
import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fake_api import Answer, Asked, FakeApi, Record, expect, iso, minute

VERSION = "/admin/api/2025-07/"


class Shopify(FakeApi):
    """Pages are linked in a header; a link's page_info stands alone but for the limit."""

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        person = {"id": 900 + number, "first_name": "Bob", "last_name": "Norman", "updated_at": iso(moment)}
        address = {"city": "Louisville", "zip": "40202", "country_code": "US", "company": None}
        if resource == "customers":
            return {**person, "email": f"{number}@home.example", "phone": None, "default_address": address}
        line = {
            "product_id": 7,
            "title": "Mug",
            "quantity": 2,
            "price": "9.90",
            "gift_card": False,
            "total_discount": "0.00",
        }
        lines = [{"id": 10 * number + n, **line} for n in (1, 2)]
        returned = {"id": 10 * number + 5, "line_item_id": lines[0]["id"], "quantity": 1, "subtotal": 9.9}
        shipping = [
            {"id": 10 * number + 7, "title": "Standard", "price": "5.00", "is_removed": False},
            {"id": 10 * number + 8, "title": "Express", "price": "9.00", "is_removed": True},
        ]
        refund = {
            "id": number,
            "created_at": iso(moment),
            "refund_line_items": [{**returned, "line_item": lines[0]}],
            "refund_shipping_lines": [
                {"id": 5, "shipping_line_id": shipping[0]["id"], "subtotal_amount_set": money("2.00")}
            ],
            "order_adjustments": [
                {"id": 5, "kind": "shipping_refund", "amount_set": money("-2.00")},
                {"id": 6, "kind": "refund_discrepancy", "amount_set": money("1.50")},
            ],
            "transactions": [{"id": number, "amount": "9.90", "kind": "refund"}],
        }
        return {
            "id": number,
            "created_at": iso(minute(number)),
            "updated_at": iso(moment),
            "cancelled_at": None,
            "financial_status": "partially_refunded",
            "source_name": "web",
            "currency": "USD",
            "total_discounts": "0.00",
            "total_tax": "1.94",
            "total_shipping_price_set": money("5.00"),
            "total_price": "26.74",
            "taxes_included": False,
            "email": f"{number}@home.example",
            "phone": None,
            "customer": person,
            "shipping_address": address,
            "line_items": lines,
            "shipping_lines": shipping,
            "refunds": [refund],
        }

    def answer(self, asked: Asked) -> Answer:
        expect(asked.headers.get("X-Shopify-Access-Token") == self.secret, "no token", 401)
        resource = asked.path.removeprefix(VERSION).removesuffix(".json")
        expect(asked.method == "GET" and resource in self.records, "no such resource", 404)
        query = dict(asked.query)
        expect(1 <= int(query.pop("limit", 50)) <= 250, "limit must be 1 to 250")
        if "page_info" in query:
            info: dict[str, Any] = json.loads(base64.urlsafe_b64decode(query.pop("page_info")))
            expect(not query, f"{sorted(query)} cannot be passed when page_info is present")
        else:
            expect(resource != "orders" or query.get("status") == "any", "closed orders would be missing")
            expect(query.get("order") == "updated_at asc", "pages must follow the order of changes")
            info = {"since": query["updated_at_min"], "after": 0}
        chosen = sorted(
            (r for r in self.records[resource] if r["updated_at"] >= info["since"]),
            key=lambda record: (record["updated_at"], record["id"]),
        )
        if "last" in info and info["last"] is not None:
            info["after"] = sum([r["updated_at"], r["id"]] <= info["last"] for r in chosen) * info["sign"]
        found, following = self.page(chosen, info["after"])
        headers = {}
        if following is not None:
            last = chosen[abs(following) - 1]
            sign = -1 if following < 0 else 1
            mark = {"since": info["since"], "last": [last["updated_at"], last["id"]], "sign": sign}
            link = urlencode(
                {"limit": 250, "page_info": base64.urlsafe_b64encode(json.dumps(mark).encode()).decode()}
            )
            headers["Link"] = f'<{self.url}{asked.path}?{link}>; rel="next"'
        return Answer({resource: found}, headers=headers)


def money(amount: str) -> Record:
    """An amount in the shop's currency and in the one that the customer saw."""
    return {
        "shop_money": {"amount": amount, "currency_code": "USD"},
        "presentment_money": {"amount": "77.00", "currency_code": "CAD"},
    }
