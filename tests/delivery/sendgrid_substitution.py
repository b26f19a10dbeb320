"""What recipients get of a request, by SendGrid's own description of substitutions: each key of a
personalization's `substitutions` that stands in subject or content is replaced by its value.

It is not said in which order, or whether a value is looked at again; `received` demands that it is the same.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class Received:
    """One recipient's mail as SendGrid would send it."""

    address: str
    subject: str
    html: str
    text: str
    headers: dict[str, str]
    custom_args: dict[str, str]


def received(body: bytes) -> list[Received]:
    """The mails of a request, in the order of its personalizations."""
    message = orjson.loads(body)
    contents = {content["type"]: content["value"] for content in message["content"]}
    return [
        Received(
            address=person["to"][0]["email"],
            subject=_substituted(person["subject"], person),
            html=_substituted(contents["text/html"], person),
            text=_substituted(contents["text/plain"], person),
            headers=person["headers"],
            custom_args=person["custom_args"],
        )
        for person in message["personalizations"]
    ]


def _substituted(text: str, person: dict[str, Any]) -> str:
    substitutions: dict[str, str] = person.get("substitutions", {})
    if not substitutions:
        return text
    keys = list(substitutions)
    readings = [_one_after_another(text, keys, substitutions)]
    readings.append(_one_after_another(text, keys[::-1], substitutions))
    any_key = re.compile("|".join(map(re.escape, keys)))
    readings.append(any_key.sub(lambda found: substitutions[found[0]], text))
    again = readings[0]
    for _ in range(4):
        again = _one_after_another(again, keys, substitutions)
    readings.append(again)
    assert len(set(readings)) == 1, "the outcome depends on the order of substitution"
    return readings[0]


def _one_after_another(text: str, keys: list[str], substitutions: dict[str, str]) -> str:
    for key in keys:
        text = text.replace(key, substitutions[key])
    return text
