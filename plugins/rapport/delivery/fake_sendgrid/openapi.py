"""SendGrid's own description of /v3/mail/send as a validator."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from rapport.delivery.fake_sendgrid.mistakes import Mistake
from rapport.errors import ConfigurationError

_REQUEST = "#/components/requestBodies/PostMailSend/content/application~1json/schema"


class MailDocument:
    """The schema of a mail in tsg_mail_v3.json (https://github.com/twilio/sendgrid-oai)."""

    def __init__(self, file: Path) -> None:
        """Raises ConfigurationError where the file is not that document."""
        try:
            components = orjson.loads(file.read_bytes())["components"]
            schema = components["requestBodies"]["PostMailSend"]["content"]["application/json"]["schema"]
            # The document says string; the API takes, and the sendgrid package sends, an object.
            schema["properties"]["custom_args"]["type"] = "object"
            self._validator = jsonschema_rs.Draft202012Validator(
                {"$ref": _REQUEST, "components": components}, validate_formats=True
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{file} is not SendGrid's OpenAPI document of mail/send, tsg_mail_v3.json ({error})"
            ) from None

    def mistakes(self, body: object) -> Iterator[Mistake]:
        """What the document says is wrong; the messages repeat no value of the request."""
        for error in self._validator.iter_errors(body):
            kind: Any = error.kind
            missing = [kind.property] if kind.name == "required" else []
            field = ".".join(str(part) for part in [*error.instance_path, *missing])
            yield Mistake(_message(error), field or None)


def _message(error: jsonschema_rs.ValidationError) -> str:
    kind: Any = error.kind
    match kind.name:
        case "required":
            return f"{kind.property} is required"
        case "type":
            return f"Invalid type. Expected: {' or '.join(kind.types)}."
        case "format":
            return f"Does not match format '{kind.format}'"
        case name:
            limit = getattr(kind, "limit", None)
            return f"Does not satisfy {name}" + (f" {limit}" if limit is not None else "")
