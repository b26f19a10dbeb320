"""django-anymail's merge send, in an environment of its own: what it is to send comes on standard input.

A thousand recipients a request, as anymail's documents show it; the merge fields are made of the same data,
and the list headers of the same links. Prints the seconds that it took.
"""

import json
import sys
import time
from typing import Any

import django
from django.conf import settings

A_REQUEST = 1_000


def main() -> None:
    order = json.load(sys.stdin)
    settings.configure(
        ANYMAIL={"SENDGRID_API_KEY": order["key"], "SENDGRID_API_URL": f"{order['url']}/v3/"},
        EMAIL_BACKEND="anymail.backends.sendgrid.EmailBackend",
    )
    django.setup()
    from anymail.message import AnymailMessage
    from django.core.mail import get_connection

    people = order["people"]
    began = time.perf_counter()
    with get_connection() as backend:
        for start in range(0, len(people), A_REQUEST):
            chunk = people[start : start + A_REQUEST]
            message = AnymailMessage(
                order["subject"], order["text"], order["sender"], [person["email"] for person in chunk]
            )
            message.attach_alternative(order["html"], "text/html")
            message.merge_data = {person["email"]: fields(person, order["card"]) for person in chunk}
            message.merge_headers = {person["email"]: list_headers(person) for person in chunk}
            message.merge_field_format = "*|{}|*"
            message.connection = backend
            message.send()
    print(time.perf_counter() - began)


def fields(person: dict[str, Any], card: str) -> dict[str, str]:
    """Each field of the customer, and the cards as one field."""
    found = {f"c_{name}": str(value) for name, value in person["customer"].items()}
    cards = []
    for item in person["cards"]:
        text = card
        for name, value in item.items():
            text = text.replace("{{ card." + name + " }}", str(value))
        cards.append(text)
    return found | {"cards": "".join(cards), "unsubscribe_url": person["unsubscribe_url"]}


def list_headers(person: dict[str, Any]) -> dict[str, str]:
    return {
        "List-Unsubscribe": f"<{person['unsubscribe_url']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


if __name__ == "__main__":
    main()
