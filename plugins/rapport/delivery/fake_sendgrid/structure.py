"""Which keys a request to /v3/mail/send may have and of which type their values are: needs no OpenAPI
document, and refuses the unknown keys that the document lets through."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rapport.delivery.fake_sendgrid.mistakes import Mistake


@dataclass(frozen=True)
class _Object:
    keys: "Mapping[str, _Type]"
    required: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Array:
    items: "_Type"


@dataclass(frozen=True)
class _Map:
    """Any keys; `values` is the type of each value, None leaves it open."""

    values: type | None = None


_Type = _Object | _Array | _Map | type

_ADDRESS = _Object({"email": str, "name": str}, ("email",))
_SWITCH = {"enable": bool}
_PERSONALIZATION = _Object(
    {
        "to": _Array(_ADDRESS),
        "cc": _Array(_ADDRESS),
        "bcc": _Array(_ADDRESS),
        "from": _ADDRESS,
        "subject": str,
        "headers": _Map(str),
        "substitutions": _Map(str),
        "dynamic_template_data": _Map(),
        "custom_args": _Map(str),
        "send_at": int,
    },
    ("to",),
)
_MAIL_SETTINGS = _Object(
    {
        "bypass_list_management": _Object(_SWITCH),
        "bypass_spam_management": _Object(_SWITCH),
        "bypass_bounce_management": _Object(_SWITCH),
        "bypass_unsubscribe_management": _Object(_SWITCH),
        "footer": _Object({**_SWITCH, "text": str, "html": str}),
        "sandbox_mode": _Object(_SWITCH),
    }
)
_TRACKING_SETTINGS = _Object(
    {
        "click_tracking": _Object({**_SWITCH, "enable_text": bool}),
        "open_tracking": _Object({**_SWITCH, "substitution_tag": str}),
        "subscription_tracking": _Object({**_SWITCH, "text": str, "html": str, "substitution_tag": str}),
        "ganalytics": _Object(
            {
                **_SWITCH,
                "utm_source": str,
                "utm_medium": str,
                "utm_term": str,
                "utm_content": str,
                "utm_campaign": str,
            }
        ),
    }
)
_MAIL = _Object(
    {
        "personalizations": _Array(_PERSONALIZATION),
        "from": _ADDRESS,
        "reply_to": _ADDRESS,
        "reply_to_list": _Array(_ADDRESS),
        "subject": str,
        "content": _Array(_Object({"type": str, "value": str}, ("type", "value"))),
        "attachments": _Array(
            _Object(
                {"content": str, "type": str, "filename": str, "disposition": str, "content_id": str},
                ("content", "filename"),
            )
        ),
        "template_id": str,
        "headers": _Map(str),
        "categories": _Array(str),
        "custom_args": _Map(str),
        "send_at": int,
        "batch_id": str,
        "asm": _Object({"group_id": int, "groups_to_display": _Array(int)}, ("group_id",)),
        "ip_pool_name": str,
        "mail_settings": _MAIL_SETTINGS,
        "tracking_settings": _TRACKING_SETTINGS,
    },
    ("from",),
)
_NAMES = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array", float: "number"}


def mistakes_of_structure(body: object) -> Iterator[Mistake]:
    """Unknown keys, missing keys and values of another type, in the words of SendGrid's validator."""
    return _mistakes(body, _MAIL, "")


def _mistakes(value: object, expected: _Type, place: str) -> Iterator[Mistake]:
    python_type = expected if isinstance(expected, type) else list if isinstance(expected, _Array) else dict
    if type(value) is not python_type:
        yield Mistake(
            f"Invalid type. Expected: {_NAMES[python_type]}, given: {_NAMES.get(type(value), 'null')}.",
            place or None,
        )
    elif isinstance(expected, _Array):
        assert isinstance(value, list)
        for number, item in enumerate(value):
            yield from _mistakes(item, expected.items, f"{place}.{number}")
    elif isinstance(expected, _Map):
        assert isinstance(value, dict)
        if expected.values is not None:
            for key, item in value.items():
                yield from _mistakes(item, expected.values, f"{place}.{key}")
    elif isinstance(expected, _Object):
        assert isinstance(value, dict)
        yield from _mistakes_of_keys(value, expected, place)


def _mistakes_of_keys(value: dict[str, object], expected: _Object, place: str) -> Iterator[Mistake]:
    for key in expected.required:
        if key not in value:
            yield Mistake(f"{key} is required", f"{place}.{key}" if place else key)
    for key, item in value.items():
        if key in expected.keys:
            yield from _mistakes(item, expected.keys[key], f"{place}.{key}" if place else key)
        else:
            yield Mistake(f"Additional property {key} is not allowed", place or None)
